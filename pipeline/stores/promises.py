"""What the markers of a run promise of the files that finished work left, checked by whoever reads these files.

The marker of a piece of work, ``ledger/STAGE/FOLDERS/BLOCK.FINGERPRINT.json``, holds the SHA-256 of every file that the work
left, and of shards the checksum of each chunk. A file that is missing or is another one stops the reader, with the name of the
file and of the work. What no marker promises, as in runs of version 0.1, is read as it is.
"""

import hashlib
import json
import mmap
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filterscope.pipeline.stores.places import ObjectPath, Place, listing, read_mapped
from filterscope.schemas.opening import DamagedError

#: Folders of markers that a process remembers, and files that it found whole.
_FOLDERS, _FILES = 64, 65_536

#: Names of markers of a folder by the block that they are about.
_listed: dict[Place, dict[str, list[str]]] = {}
#: Size, times and number of files of this machine that were found to be what was promised.
_whole: dict[Place, tuple[int, ...]] = {}


@dataclass(frozen=True)
class Promise:
    """What is promised of the files that a piece of work left.

    Attributes
    ----------
    run : Place
        Folder of the run.
    stages : tuple of str
        The stages that may have written them.
    place : tuple of str
        Where the work is: the folders and the block of its key. The work may have been about more than the block: it is
        then found by the block that it begins with.
    """

    run: Place
    stages: tuple[str, ...]
    place: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Blocks beside this one whose work is finished."""
        return sorted({block for folder in self._folders for block in _blocks(folder, fresh=True)})

    def stated(self, name: str) -> list[str]:
        """Return what markers state of a file, by the name that they call it; nothing where none of them knows it."""
        for fresh in (False, True):
            try:
                markers = [
                    marker for folder in self._folders for marker in _markers(folder, self.place[-1], fresh=fresh)
                ]
                found = [_checksums(marker) for marker in markers]
            except FileNotFoundError:
                continue  # it was forgotten since it was listed
            if found:
                return [checksums[name] for checksums in found if name in checksums]
        return []

    def hold(self, name: str, path: Place, kept: Callable[[str], bool]) -> None:
        """Raise DamagedError if markers state something of a file, and nothing that is kept."""
        stated = self.stated(name)
        if stated and not any(map(kept, stated)):
            _checksums.cache_clear()  # it may have been computed again since, or its work finished
            _listed.clear()
            if not any(map(kept, self.stated(name))):
                raise self.broken(path, "is not the file that was written (its checksum differs)")

    def read(self, name: str, path: Place) -> bytes | mmap.mmap:
        """Return the bytes of a whole file, as `places.read_mapped` does; one of this machine is checked once in a process.

        Raises
        ------
        DamagedError
            If it is missing, or is not the file that was written.
        """
        try:
            data = read_mapped(path)
            now = () if isinstance(path, ObjectPath) else _signature(path)
        except FileNotFoundError:
            raise self.broken(path, "is missing") from None
        if not now or _whole.get(path) != now:
            self.hold(name, path, lambda digest: hashlib.sha256(data).hexdigest() == digest)
            if len(_whole) >= _FILES:
                _whole.clear()
            _whole[path] = now
        return data

    def broken(self, path: Place, what: str) -> DamagedError:
        """Return the error that says what is wrong with a file and what to do."""
        work = "/".join((self.stages[0], *self.place))
        return DamagedError(
            f"{path}, an output of {work}, {what}; `filterscope doctor {self.run} --repair` computes it again"
        )

    @property
    def _folders(self) -> list[Place]:
        return _folders_of(self.run, self.stages, self.place[:-1])


@lru_cache(maxsize=_FOLDERS)
def _folders_of(run: Place, stages: tuple[str, ...], folders: tuple[str, ...]) -> list[Place]:
    return [run.joinpath("ledger", stage, *folders) for stage in stages]


def _markers(folder: Place, block: str, *, fresh: bool) -> list[Place]:
    """Return the markers of the work that is about a block: of its own name, or begun at the nearest block before."""
    found = _blocks(folder, fresh=fresh)
    if block not in found:
        starts = sorted((start, name) for name in found if (start := _start(name)) is not None and _like(name, block))
        start = _start(block)
        before = bisect_right(starts, start, key=lambda item: item[0]) if start is not None else 0
        block = starts[before - 1][1] if before else block
    return [folder / name for name in found.get(block, ())]


def _start(block: str) -> int | None:
    """Return where a block begins, which its name has in six digits or more; None of a name of another kind."""
    number = block.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) >= 6 else None


def _like(one: str, other: str) -> bool:
    return one.rpartition("-")[0] == other.rpartition("-")[0]


def _blocks(folder: Place, *, fresh: bool) -> dict[str, list[str]]:
    if fresh or folder not in _listed:
        found: dict[str, list[str]] = {}
        for name in listing(folder):
            if name.endswith(".json"):
                found.setdefault(name.rsplit(".", 2)[0], []).append(name)
        if len(_listed) >= _FOLDERS:
            _listed.clear()
        _listed[folder] = found
    return _listed[folder]


@lru_cache(maxsize=4096)
def _checksums(marker: Place) -> Mapping[str, str]:
    data = marker.read_bytes()
    try:
        return {str(name): str(digest) for name, digest in dict(json.loads(data)["checksums"]).items()}
    except (ValueError, LookupError, TypeError, RecursionError):
        run = next((folder.parent for folder in marker.parents if folder.name == "ledger"), marker)
        raise DamagedError(
            f"the marker {marker} is damaged; `filterscope doctor {run} --repair` computes its outputs again"
        ) from None


def _signature(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


__all__ = ["DamagedError", "Promise"]
