"""Versions that a run records: of filterscope, with its commit, of Python, and of the libraries that results depend on."""

import os
import platform
import subprocess
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("torch", "torchvision", "ray", "zarr", "zarrs", "numba", "numpy", "polars", "pyarrow", "pillow", "timm")


def versions() -> dict[str, str]:
    """Return versions by name: filterscope, its `commit` where it is run from a git checkout, Python, libraries."""
    made_of = commit(Path(__file__).resolve().parents[2])
    stated = {"commit": made_of} if made_of else {}
    with suppress(PackageNotFoundError):  # a source tree that is merely on the path
        stated = {"filterscope": version("filterscope"), **stated}
    return {**stated, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


@lru_cache(maxsize=1)
def commit(source: Path) -> str | None:
    """Return the commit of a git checkout, None where a folder is none or git cannot tell.

    Parameters
    ----------
    source : Path
        The folder that the checkout would have been made in; one that merely lies inside a checkout of something else, as an
        installed package may, is none.

    Returns
    -------
    str, optional
        40 hexadecimal digits, with ``-dirty`` where tracked files differ from the commit.
    """
    if not (source / ".git").exists():
        return None
    # GIT_DIR and the like, as a hook sets them, name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # look, and write nothing
    asked = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, env=environment, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None


__all__ = ["commit", "versions"]
