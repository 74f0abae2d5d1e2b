"""Which images belong together: by folder, by a regular expression on their names, or by a CSV file.

A name is the path of an image below the image folder of its source, with ``/``, whichever reader reads it.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.names import normal
from filterscope.pipeline.datasets.reading import ImportNote, read_rows
from filterscope.pipeline.engine.errors import InputError

#: Columns of a CSV file of groups.
COLUMNS = ("image", "group")

_FORMS = "give `folder`, a regular expression that matches image names, or a CSV file with the columns image,group"


@contextmanager
def grouped_writer(
    folder: str | Path,
    *,
    source: dict[str, Any],
    in_place: bool,
    group_by: str | Path | None,
    exif: str = "ignore",
    apart: Iterable[str] = (),
) -> Iterator[DatasetWriter]:
    """Open a `DatasetWriter` that gives images their groups and orientations; at the end, check and tell what came of it.

    Parameters
    ----------
    folder, source, in_place
        As for `DatasetWriter`; `group_by` and `exif` are added to `source`.
    group_by : str or Path, optional
        ``folder``: an image belongs to its folder, and to none if it lies directly in the image folder. A path that ends in
        .csv or is a file: a CSV file with the columns image and group; an image may be named without its folders where no
        other has that file name. Anything else: a regular expression searched in the name; the first of its groups that
        took part in the match, or the whole match of an expression without groups, is the group. None: no groups.
    exif : "apply" or "ignore"
        Take images as their EXIF orientation shows them, or as they are stored. An `ImportNote` counts those where it matters.
    apart : iterable of str
        Folders of the names that the reader adds itself; they are not a group.

    Raises
    ------
    InputError
        If `exif` is neither, `group_by` is no regular expression, its CSV file cannot be read or names two images at once,
        no image has a group in the end, or nothing of the source can be used.
    """
    if exif not in ("apply", "ignore"):
        raise InputError(f"--exif is {exif!r}; give `apply` (images upright) or `ignore` (pixels as stored)")
    source = source | {"group_by": None if group_by is None else str(group_by), "exif": exif}
    grouping = None if group_by is None else _grouping(group_by, tuple(apart))
    with DatasetWriter(folder, source=source, in_place=in_place, group_of=grouping, upright=exif == "apply") as writer:
        yield writer
        if grouping is not None:
            grouping.finish(writer)
        writer.refuse_useless()
        _tell_orientations(writer, exif)


def _tell_orientations(writer: DatasetWriter, exif: str) -> None:
    if writer.tagged:
        done = "turned upright" if writer.upright else "taken as stored"
        other = "ignore takes them as stored" if writer.upright else "apply turns them upright"
        count = f"{writer.tagged} image{'s have' if writer.tagged > 1 else ' has'} an EXIF orientation other than 1"
        reason = f"{count}; {done}, with what is annotated (--exif {exif}); --exif {other}"
        writer.reject("EXIF", reason)
        warnings.warn(reason, ImportNote, stacklevel=3)


def _grouping(group_by: str | Path, apart: tuple[str, ...]) -> "_Grouping":
    text = str(group_by)
    if text == "folder":
        return _Folders(text, apart)
    if isinstance(group_by, Path) or text.lower().endswith(".csv") or _is_file(text):
        return _Listed(text)
    return _Matches(text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # an expression may be no possible path
        return False


class _Grouping:
    """Groups of images, by name; remembers whether there were any."""

    def __init__(self, received: str) -> None:
        self._received = received
        self._example, self._found = "", False

    def __call__(self, name: str) -> str | None:
        name = normal(PurePosixPath(name).as_posix())
        group = self._group(name)
        self._example = self._example or name
        self._found |= group is not None
        return group

    def _group(self, name: str) -> str | None:
        raise NotImplementedError

    def finish(self, writer: DatasetWriter) -> None:
        """Raise InputError if no image has a group."""
        if self._example and not self._found:
            raise InputError(f"--group-by {self._received!r} groups no image; one is named {self._example!r}: {_FORMS}")


class _Folders(_Grouping):
    def __init__(self, received: str, apart: tuple[str, ...]) -> None:
        super().__init__(received)
        self._alone = (".", *apart)

    def _group(self, name: str) -> str | None:
        folder = PurePosixPath(name).parent.as_posix()
        return None if folder in self._alone else folder


class _Matches(_Grouping):
    def __init__(self, received: str) -> None:
        super().__init__(received)
        try:
            self._pattern = re.compile(received)
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(f"--group-by {received!r} is not a regular expression: {error}; {_FORMS}") from error

    def _group(self, name: str) -> str | None:
        match = self._pattern.search(name)
        if match is None:
            return None
        return next(filter(None, match.groups() if self._pattern.groups else (match[0],)), None)


class _Listed(_Grouping):
    def __init__(self, received: str) -> None:
        super().__init__(received)
        self._lines: dict[str, int] = {}
        self._groups: dict[str, str] = {}
        self._rejects: list[tuple[int, str]] = []
        self._named: dict[str, list[str]] = defaultdict(list)
        for line, row in read_rows(Path(received), COLUMNS):
            image, group = normal(PurePosixPath(row["image"]).as_posix()), row["group"]
            if not row["image"] or not group:
                self._rejects.append(
                    (line, "the row has no image or no group; leave out an image that belongs to no group")
                )
            elif self._groups.setdefault(image, group) != group:
                self._rejects.append((line, f"image {image!r} belongs to group {self._groups[image]!r} already"))
            else:
                self._lines.setdefault(image, line)

    def _group(self, name: str) -> str | None:
        row = name if name in self._groups else PurePosixPath(name).name
        if row not in self._groups:
            return None
        self._named[row].append(name)
        return self._groups[row]

    def finish(self, writer: DatasetWriter) -> None:
        """Reject rows that name no image; raise InputError if one names several, or none names any."""
        super().finish(writer)
        for row, names in self._named.items():
            if len(names) > 1:
                which = f"names {names[0]!r} and {names[1]!r}; give each its path and its own row"
                raise InputError(f"{self._received} line {self._lines[row]}: {row!r} {which}")
        unused = [(line, f"no usable image {row!r}") for row, line in self._lines.items() if row not in self._named]
        for line, reason in sorted([*self._rejects, *unused]):
            writer.reject(f"{Path(self._received).name} line {line}", reason)


__all__ = ["COLUMNS", "grouped_writer"]
