"""Which pictures there are: one for each module of this folder that is not a tool."""

import importlib
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
_TOOLS = ("__init__", "__main__", "drawn", "masks", "svg")


def names() -> list[str]:
    """Return the names of all pictures, which are those of the pages that show them."""
    files = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(stem.replace("_", "-") for stem in files if stem not in _TOOLS)


def drawn(name: str) -> str:
    """Return a picture as SVG."""
    return importlib.import_module(f"tests.docs.pictures.{name.replace('-', '_')}").picture()
