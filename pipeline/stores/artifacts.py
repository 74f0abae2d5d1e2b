"""Artifacts: what pieces of work leave in a run folder, by the name that markers call it, and whether it is whole."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from filterscope.pipeline.stores.places import read_regular, readable
from filterscope.pipeline.stores.tables import table_path

#: Where a piece of work is: the folders and the block of its key.
KeyPlace = Sequence[str]

MISSING = "the file is missing, and its marker says it was written"
CHANGED = "the file is not the one that was written"


#: Files of a piece of work by what its marker calls them: ``files(run, place, checksums)``.
Files = Callable[[Path, KeyPlace, Mapping[str, str]], Mapping[str, Path]]


def _never(run: Path, place: KeyPlace) -> bool:
    return False


def no_files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Mapping[str, Path]:
    """Return that there is nothing to check."""
    return {}


@dataclass(frozen=True)
class Artifact:
    """Files that each piece of work of a stage writes.

    Attributes
    ----------
    name : str
        As the checksums of markers call it; where a piece of work writes several files, NAME/FILE each.
    files : callable
        Returns the files of a piece of work by the names of their checksums.
    removed : callable
        Tells whether they were deleted on purpose, once all was computed from them.
    of_data : bool
        Whether it is the same for all models: it follows from the data set and the views alone, which the masks' fingerprint
        holds, so that who reads it does not depend on the model that happened to write it.
    """

    name: str
    files: Files = no_files
    removed: Callable[[Path, KeyPlace], bool] = _never
    of_data: bool = False

    @classmethod
    def single(
        cls, name: str, path: Callable[[Path, KeyPlace], Path], removed: Callable[[Path, KeyPlace], bool] = _never
    ) -> Self:
        """Return an artifact of one file a piece of work."""
        return cls(name, lambda run, place, checksums: {name: path(run, place)}, removed)

    @property
    def removable(self) -> bool:
        """Whether it may be deleted on purpose."""
        return self.removed is not _never

    def problems(self, run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
        """Yield the files that are missing or damaged, and what is wrong with each."""
        if self.removed(run, place):
            return
        for name, path in self.files(run, place, checksums).items():
            if problem := _problem(path, checksums.get(name)):
                yield path, problem


@dataclass(frozen=True)
class Table(Artifact):
    """A part of a result table; work that writes other tables of its stage alone does not promise it."""

    def __init__(self, name: str) -> None:
        Artifact.__init__(self, name, partial(_part, name))


def _part(name: str, run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Mapping[str, Path]:
    return {name: table_path(run, name, place)} if name in checksums else {}


def _problem(path: Path, digest: str | None) -> str | None:
    """Say what is wrong with a file; without a digest, as from earlier versions, an archive is tested by its own checksums."""
    try:
        if digest is not None and hashlib.sha256(read_regular(path)).hexdigest() == digest:
            return None
        if path.suffix == ".npz":
            with zipfile.ZipFile(readable(path)) as file:
                damaged = file.testzip() is not None
            return CHANGED if damaged or digest is not None else None
        return CHANGED if digest is not None else None if path.exists() else MISSING
    except FileNotFoundError:
        return MISSING
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return "the file is cut off"
    except OSError as error:
        return f"the file cannot be read: {error}"


__all__ = ["CHANGED", "MISSING", "Artifact", "KeyPlace", "Table", "no_files"]
