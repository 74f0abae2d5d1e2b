"""Names of files: found however their accents are encoded, and which of two lists nearly match."""

import difflib
import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

#: Names that are compared with each other in search of a pair.
_WANTED, _THERE = 20, 5000


def normal(name: str) -> str:
    """Return a name in the form (NFC) in which names are compared: macOS and many archives store another (NFD)."""
    return unicodedata.normalize("NFC", name)


def existing(folder: Path, relative: str) -> Path:
    """Return the file `relative` of a folder, also where its accents are encoded in another way; else the path as given."""
    path = folder / relative
    if relative.isascii() or os.path.lexists(path):
        return path
    found = folder
    for part in PurePosixPath(relative).parts:
        try:
            found /= part if os.path.lexists(found / part) else _listed(found, found.stat().st_mtime_ns)[normal(part)]
        except (OSError, KeyError, ValueError):
            return path
    return found


@lru_cache(maxsize=8)
def _listed(folder: Path, _changed: int) -> dict[str, str]:
    return {normal(name): name for name in sorted(os.listdir(folder))}


def near_pair(wanted: Iterable[str], there: Iterable[str]) -> tuple[str, str] | None:
    """Return the name that was looked for and the one there is that resemble each other most; None if none do."""
    known = {PurePosixPath(name).stem.casefold(): name for name in sorted(there)[:_THERE]}
    best, pair = 0.5, None
    for name in sorted(set(wanted))[:_WANTED]:
        stem = PurePosixPath(name).stem.casefold()
        for close in difflib.get_close_matches(stem, known, n=1, cutoff=best):
            score = difflib.SequenceMatcher(None, close, stem).ratio()
            if pair is None or score > best:
                best, pair = score, (name, known[close])
    return pair


__all__ = ["existing", "near_pair", "normal"]
