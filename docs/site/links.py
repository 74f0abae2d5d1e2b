"""Links between Markdown files of the repository, as the site needs them."""

import json
import os
import re
from pathlib import Path

REPOSITORY = "https://github.com/filterscope/filterscope"
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_CODE = re.compile(r"(^(`{3,}|~{3,}).*?^\2[ \t]*$|(?<!`)`[^`\n]+`(?!`))", re.MULTILINE | re.DOTALL)


def relinked(path: Path, root: Path) -> bytes:
    """Return the content of a file for the site: links lead to pages of the site or, to anything else, to its source.

    Parameters
    ----------
    path : Path
        A file of the repository; what is neither Markdown nor a notebook stays as it is.
    root : Path
        Folder of the repository.

    Raises
    ------
    FileNotFoundError
        If a link leads to a file that is not there.
    """
    if path.suffix == ".md":
        return _page(path.read_text(encoding="utf-8"), path, root).encode()
    if path.suffix == ".ipynb":
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _page("".join(cell["source"]), path, root)
        return json.dumps(notebook, indent=1, ensure_ascii=False).encode()
    return path.read_bytes()


def prose(text: str) -> str:
    """Return Markdown without its code."""
    return "".join(_CODE.split(text)[::3])


def _page(text: str, path: Path, root: Path) -> str:
    """Return Markdown with its links rewritten, those in code aside."""
    parts = _CODE.split(text)
    for i in range(0, len(parts), 3):  # prose, code, its fence, prose ...
        parts[i] = _LINK.sub(lambda found: f"{found[1]}{_target(found[2], path, root)}{found[3]}", parts[i])
        if i + 2 < len(parts):
            parts[i + 2] = ""
    return "".join(part or "" for part in parts)


def _target(link: str, path: Path, root: Path) -> str:
    name, hash_, anchor = link.partition("#")
    if not name or re.match(r"[a-z]+:", name):
        return link
    file = Path(os.path.normpath(path.parent / name))
    if not file.exists():
        raise FileNotFoundError(f"{path.relative_to(root)} links to {link}, which is not there")
    here = place(file, root)
    if here is None:
        return f"{REPOSITORY}/blob/main/{file.relative_to(root).as_posix()}{hash_}{anchor}"
    return os.path.relpath(here, Path(place(path, root) or ".").parent) + hash_ + anchor


def place(file: Path, root: Path) -> str | None:
    """Return where on the site a file of the repository is, or None where it has no page."""
    docs = root / "docs"
    if file == root / "README.md":
        return "index.md"
    if file.parent == root and file.suffix == ".md":
        return file.name.lower()
    for base in (docs / "site", docs):
        if base in file.parents:
            return file.relative_to(base).as_posix()
    return None
