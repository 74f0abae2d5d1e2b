"""Builds the documentation site: ``python docs/site/build.py [OUT]``, into ``build/docs``; ``make docs`` calls it.

Its pages are those of ``docs/``, which GitHub shows too, the few of ``docs/site/`` that only the site has, and pages made from
the code: command line, options, methods, API. They are put together in ``build/pages``, from which Sphinx builds. Warnings are
errors, and nothing is fetched.
"""

import fnmatch
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"  # compiled functions hide their signatures
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # this very tree, whatever is installed

import api
import links
import methods
import options
import verbs
from sphinx.cmd.build import build_main

#: Pages of the repository's root, as the site names them.
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
COPIED = {".md", ".ipynb", ".webp", ".png", ".svg"}


def written() -> dict[str, bytes]:
    """Return the pages and pictures that people wrote, by their path on the site."""
    found = {}
    docs, own = ROOT / "docs", ROOT / "docs" / "site"
    for path in [*sorted(docs.rglob("*")), *(ROOT / name for name in ROOT_PAGES)]:
        if path.is_file() and path.suffix in COPIED and own / "static" not in path.parents:
            base = own if own in path.parents else docs if docs in path.parents else ROOT
            name = path.relative_to(base).as_posix()
            found[name.lower() if base == ROOT else name] = links.relinked(path, ROOT)
    return found


def made(pages: dict[str, bytes]) -> dict[str, str]:
    """Return the pages that are made from the code and from the other pages."""
    return {**verbs.pages(), **options.pages(), **api.pages(), **methods.pages(pages)}


def listed(page: bytes, names: Iterable[str]) -> bytes:
    """Return a page in which ``<!-- pages: PATTERN -->`` is replaced by the pages that are there, such as all notebooks."""

    def entries(found: re.Match[bytes]) -> bytes:
        files = sorted(fnmatch.filter(names, found[1].decode()), key=lambda name: ("/index." not in name, name))
        return "\n".join(name.rpartition(".")[0] for name in files).encode()

    return re.sub(rb"<!-- pages: (\S+) -->", entries, page)


def assemble(folder: Path) -> None:
    """Bring a folder up to date; files that are as they should be stay untouched, so that Sphinx reads only what changed."""
    pages = written()
    pages |= {name: text.encode() for name, text in made(pages).items()}
    pages["guides.md"] = listed(pages["guides.md"], pages)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    for name, content in pages.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def main() -> int:
    """Build the site; the exit status is Sphinx's."""
    out = Path(sys.argv[1] if sys.argv[1:] else ROOT / "build" / "docs").resolve()
    source = out.parent / "pages"
    assemble(source)
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    settings = str(Path(__file__).parent)
    return build_main([*strict, "-c", settings, "-d", str(out.parent / "doctrees"), str(source), str(out)])


if __name__ == "__main__":
    sys.exit(main())
