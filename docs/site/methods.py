"""The page of all methods and the gallery."""

import posixpath
import re

import links

from filterscope.pipeline.methods import registry

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.(?:webp|png|svg))\)")


def pages(written: dict[str, bytes]) -> dict[str, str]:
    """Return both pages.

    Parameters
    ----------
    written : mapping
        Content of the pages that people wrote, by name: pictures in them are what the gallery shows.
    """
    texts = {
        name: links.prose(content.decode())
        for name, content in written.items()
        if name.endswith(".md") and name != "index.md"
    }
    return {"methods.md": _methods(texts), "gallery.md": _gallery(texts)}


def _methods(texts: dict[str, str]) -> str:
    cards = []
    for method in registry.METHODS:
        picture = _PICTURE.search(texts.get(f"{method.name}.md", ""))
        image = f":img-top: {picture[2]}\n:img-alt: {picture[1]}\n" if picture else ""
        cards.append(
            f":::::{{grid-item-card}} {method.name}\n:link: {method.name}\n:link-type: doc\n{image}\n{method.about}.\n\n"
            f":::{{card-footer}}\n{method.source}\n:::\n:::::\n"
        )
    names = "\n".join(f"{method.name} <{method.name}>" for method in registry.METHODS)
    defaults = ", ".join(f"`{name}`" for name in registry.defaults())
    return (
        "# Methods\n\nWhat an audit can compute: `--methods NAME,NAME`, or `methods = [...]` in a TOML file. An audit that "
        f"names none computes {defaults}. Options of each are in [Options](options.md).\n\n"
        f"::::::{{grid}} 1 2 2 3\n:gutter: 3\n\n{''.join(cards)}::::::\n\n:::{{toctree}}\n:hidden:\n\n{names}\n:::\n"
    )


def _gallery(texts: dict[str, str]) -> str:
    cards, seen = [], set()
    for name, text in texts.items():
        title = next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")
        for about, link in _PICTURE.findall(text):
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            if file not in seen:
                seen.add(file)
                cards.append(
                    f":::::{{grid-item-card}}\n:link: {name.removesuffix('.md')}\n:link-type: doc\n:img-top: {file}\n"
                    f":img-alt: {about}\n\n{about}\n\n:::{{card-footer}}\n{title}\n:::\n:::::\n"
                )
    return (
        "# Gallery\n\nEvery picture of these pages; each leads to the page that explains it.\n\n"
        f"::::::{{grid}} 1 1 2 2\n:gutter: 3\n\n{''.join(cards)}::::::\n"
    )
