"""What the readers share: CSV files, paths inside a source, pixels of an image file."""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import TypeVar

import numpy as np

from filterscope.pipeline.datasets.images import UNDECODABLE, as_rgb, open_image, upright
from filterscope.pipeline.datasets.names import existing
from filterscope.pipeline.engine.errors import InputError

#: Called after each image with the number of images done and of all.
Progress = Callable[[int, int], None]

Item = TypeVar("Item")

#: Names of a class 0, in lower case and without outer `_`, that say that its pixels are not labelled.
NO_LABEL = frozenset((
    "", "-", "background", "bg", "ignore", "ignored", "no label", "none", "nothing", "null", "unannotated", "undefined",
    "unknown", "unlabeled", "unlabelled", "void",
))  # fmt: skip


#: Names of a class, as `NO_LABEL`, that say of pixels that it is not known what they are.
IGNORED = frozenset((
    "don't care", "dont care", "dontcare", "ignore", "ignore region", "ignore regions", "ignored", "ignored region",
    "ignored regions", "unknown", "void",
))  # fmt: skip


class ImportNote(UserWarning):
    """What a person should know about a data set that was imported; it stands in `rejects` too."""


class BadRowError(ValueError):
    """A row or file of the source that goes to `rejects`; the message is the reason."""


def told(items: Collection[Item], progress: Progress | None) -> Iterator[Item]:
    """Yield the items, and tell after each how many are done."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(done, len(items))


def read_rows(path: Path, columns: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header: UTF-8 with or without byte-order mark, any line ends, quotes allowed.

    Parameters
    ----------
    path : Path
        The file.
    columns : iterable of str
        Columns that it must have; it may have more.

    Returns
    -------
    list of (int, dict)
        Line of the file where the row ends, and the row's cells without outer white space; a missing cell is empty.

    Raises
    ------
    InputError
        If the file is missing, is not UTF-8 CSV, lacks a column, or has two of one name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            header = [cell.strip() for cell in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except FileNotFoundError:
        raise InputError(f"no file {path}; it must be a CSV file with the columns {', '.join(columns)}") from None
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8: {error}") from error
    repeated = [column for column in header if column and header.count(column) > 1]
    if repeated:
        raise InputError(f"{path} has two columns {repeated[0]!r}; remove or rename one")
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; its columns are: {', '.join(header) or 'none'}")
    return [(line, dict(zip(header, cells + [""] * len(header), strict=False))) for line, cells in lines]


def is_no_label(name: str) -> bool:
    """Return whether the name of class 0 says that it is none, such as null, background or `_Void_`."""
    return _plain(name) in NO_LABEL


def is_ignored(name: str) -> bool:
    """Return whether the name of a class says that it is not known what its pixels are, such as void or `__ignore__`."""
    return _plain(name) in IGNORED


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def join_inside(folder: Path, relative: str, *, root: Path | None = None) -> Path:
    """Return `folder` / `relative`, and refuse a path that is empty, absolute, climbs with ``..`` or leaves by a link.

    A name is found however its accents are encoded. `root` is the folder that links may not leave; by default `folder`.
    """
    windows = PureWindowsPath(relative)
    if relative in ("", ".") or "\0" in relative or windows.anchor or ".." in windows.parts:
        raise BadRowError(f"the path {relative!r} is empty or leaves the source folder")
    return refuse_leaving(existing(folder, relative), folder if root is None else root)


def refuse_leaving(path: Path, root: Path) -> Path:
    """Return a path, or raise BadRowError if links in it lead out of `root` or in a circle."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (RuntimeError, OSError, ValueError) as error:
        raise BadRowError(f"the path {str(path)!r} cannot be followed: {error}") from error
    if not inside:
        raise BadRowError(f"{path.name!r} is a link that leaves {root}; copy the file there")
    return path


def read_rgb(path: Path, orientation: int | None = None) -> np.ndarray:
    """Read the pixels of an image file (uint8, shape (H, W, 3)), turned by an EXIF orientation if one is given."""
    try:
        with open_image(path) as file:
            return np.asarray(upright(as_rgb(file), orientation))
    except UNDECODABLE as error:
        raise BadRowError(f"the pixels cannot be decoded: {error}") from error
