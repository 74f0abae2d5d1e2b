"""Reader of labels of whole images in text files: binary attributes, CelebA's list of them, and classes; and their values."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import SUFFIXES
from filterscope.pipeline.datasets.landmarks import image_files
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.datasets.names import normal
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, read_rows, told
from filterscope.pipeline.engine.errors import InputError

#: Files that are read of a folder, and where images lie in it.
FILES, FOLDERS = ("attributes.csv", "labels.csv", "list_attr_celeba.txt"), ("images", "img_align_celeba")

#: Attributes that hold the class of an image, as its file states it, and the name of that class.
CLASS, CLASS_NAME = "class", "class name"

#: What says of an attribute that an image has it, 1, or has not, 0; tables of numbers with gaps are often written as 1.0.
_WORDS = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": 0, "-1.0": 0}
_ZERO, _MINUS = ("0", "0.0"), ("-1", "-1.0")

#: Words of other readers with the same meaning.
_TRUTH = _WORDS | {"yes": 1, "no": 0}


def import_attributes(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import images with attributes or classes.

    A CSV file has the column image and any number of binary columns: 1 and 0, 1 and -1, or true and false; an empty cell is
    not known. Of a column class or label, any text is the attribute `class`, and that of a column name beside it the
    attribute `class name`; such a file may have more columns, which are attributes if they are binary. A column split
    is the split of the image. `list_attr_celeba.txt` is read as CelebA publishes it. An image is named by its path inside
    the image folder; images without a row come in as they are.

    A row is rejected if it names no image, or one that an earlier row of its file named; a cell if it is no such value.

    Parameters
    ----------
    source : Path
        Folder with images and some of `FILES`, or one such file of any name.
    folder : Path
        The data set to make.
    images : Path, optional
        Folder of the images; by default one of `FOLDERS` beside the files.
    in_place : bool
        Refer to the images instead of copying them.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If there are no images or files, a file lacks the column image or any other, states an attribute that another
        states, or holds both 0 and -1.
    """
    source = Path(source)
    files = _files(source)
    place = _image_folder(files[0].parent, images)
    names = image_files(place, "", "", None)
    if not names:
        raise InputError(f"{place} has no file ending in {', '.join(SUFFIXES)}")
    stated = _Stated()
    for path in files:
        stated.add(path)
    how = {"reader": "attributes", "path": str(source)}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        for name in told(list(names), progress):
            _add_image(place, name, stated.of.pop(normal(name), []), writer)
        for item, reason in stated.rejects:
            writer.reject(item, reason)
        for rows in stated.of.values():
            writer.unmatched([rows[0].image], lambda: names)
            for row in rows:
                writer.reject(row.item, f"no usable image {row.image!r} in {place.name}/")


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = [source / name for name in FILES if (source / name).is_file()]
    if not found:
        raise InputError(f"{source} holds none of {', '.join(FILES)}; give a folder that does, or the file itself")
    return found


def _image_folder(beside: Path, stated: Path | None) -> Path:
    places = [beside / name for name in FOLDERS] if stated is None else [Path(stated)]
    found = [place for place in places if place.is_dir()]
    if not found:
        raise InputError(f"no folder {' or '.join(map(str, places))}; give that of the images with --images")
    return found[0]


@dataclass
class _Row:
    """What a row says: where it stands, the image that it names, and cells or values by attribute."""

    item: str
    image: str
    cells: dict[str, str]
    split: str | None = None


@dataclass
class _Stated:
    """What all files say of each image, by its name in NFC, and what they say that cannot be used, with the reason."""

    of: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    rejects: list[tuple[str, str]] = field(default_factory=list)
    _file: dict[str, str] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Add the rows of a file."""
        rows = self._listed(path) if path.suffix.lower() == ".txt" else _csv_rows(path)
        columns = list(dict.fromkeys(column for row in rows for column in row.cells))
        if not columns:
            raise InputError(f"{path} states nothing of an image: give it a row for each, and columns beside image")
        texts = [column for column in (CLASS, CLASS_NAME) if column in columns]
        binary = self._binary(path, rows, [column for column in columns if column not in texts], bool(texts))
        if CLASS_NAME in texts and (shared := _shared_name(rows)):
            self.rejects.append((path.name, f"{shared}; names of classes are left out"))
            texts.remove(CLASS_NAME)
        for column in texts + binary:
            if self._file.setdefault(column, path.name) != path.name:
                raise InputError(f"{self._file[column]} and {path.name} both state {column!r}; remove it from one")
        seen: set[str] = set()
        for row in rows:
            name = normal(row.image)
            if name in seen:
                self.rejects.append((row.item, f"the image {row.image!r} has a row already; the first stays"))
                continue
            seen.add(name)
            row.cells = {column: row.cells[column] for column in texts if row.cells[column]} | self._truths(row, binary)
            self.of[name].append(row)

    def _listed(self, path: Path) -> list[_Row]:
        """Read a list in the form of CelebA's: the number of images, the attributes, then an image and its values a line."""
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (UnicodeDecodeError, OSError) as error:
            raise InputError(f"{path} is not a text file in UTF-8: {error}") from error
        count, columns = (line.split() for line in [*lines, "", ""][:2])
        if len(count) != 1 or not count[0].isdecimal() or not columns or len(set(columns)) < len(columns):
            raise InputError(
                f"{path} does not begin like CelebA's list: the number of images, then a line of different attributes"
            )
        rows = []
        for line, cells in enumerate(map(str.split, lines[2:]), 3):
            item = f"{path.name} line {line}"
            if len(cells) == len(columns) + 1:
                rows.append(_Row(item, cells[0], dict(zip(columns, map(sys.intern, cells[1:]), strict=True))))
            elif cells:
                reason = f"{len(cells)} cells where an image and {len(columns)} values belong"
                self.rejects.append((item, reason))
        if len(rows) != int(count[0]):
            self.rejects.append((path.name, f"its first line states {count[0]} images; {len(rows)} rows can be read"))
        return rows

    def _binary(self, path: Path, rows: Sequence[_Row], columns: Iterable[str], classes: bool) -> list[str]:
        """Return the columns that hold a binary value; of a file that states no classes, others are rejected."""
        found, numbers = [], set()
        for column in columns:
            cells = {row.cells[column].casefold() for row in rows} - {""}
            if cells & _WORDS.keys():
                found.append(column)
                numbers |= cells
            elif cells and not classes:
                reason = (
                    f"holds no 0, 1, -1, true or false, such as {min(cells)[:40]!r}: it is no binary attribute; "
                    "call the column `class` if these are classes"
                )
                self.rejects.append((f"{path.name} column {column}", reason))
        if numbers & set(_ZERO) and numbers & set(_MINUS):
            raise InputError(
                f"{path} holds 0 and -1, so that 0 may mean no or unknown; write 1 and 0, or 1 and -1, and leave empty "
                "what is not known"
            )
        return found

    def _truths(self, row: _Row, binary: Iterable[str]) -> dict[str, str]:
        found = {}
        for column in binary:
            cell = row.cells[column]
            value = _WORDS.get(cell.casefold())
            if value is not None:
                found[column] = str(value)
            elif cell:
                reason = f"{cell[:40]!r} is not 0, 1, -1, true or false; leave a cell empty that is not known"
                self.rejects.append((f"{row.item}, {column}", reason))
        return found


def _csv_rows(path: Path) -> list[_Row]:
    rows = []
    for line, cells in read_rows(path, ("image",)):
        image, split, named = cells.pop("image"), cells.get("split"), CLASS if CLASS in cells else "label"
        known = {}
        if named in cells:
            known[CLASS] = cells[named]
            if "name" in cells:
                known[CLASS_NAME] = cells["name"]
        special = {"", "split", named, *(["name"] if known else [])}
        known |= {column: sys.intern(cell) for column, cell in cells.items() if column not in special}
        rows.append(_Row(f"{path.name} line {line}", image, known, split or None))
    return rows


def _shared_name(rows: Iterable[_Row]) -> str:
    """Say which name two classes have, or which two names one class has; empty if there is none such."""
    of: tuple[dict[str, str], dict[str, str]] = {}, {}
    for row in rows:
        pair = row.cells[CLASS], row.cells[CLASS_NAME]
        for known, (key, value), words in zip(
            of, (pair, pair[::-1]), (("class", "names"), ("name", "classes")), strict=True
        ):
            if all(pair) and (first := known.setdefault(key, value)) != value:
                return f"the {words[0]} {key!r} has the {words[1]} {first!r} and {value!r}"
    return ""


def _add_image(place: Path, name: str, rows: Sequence[_Row], writer: DatasetWriter) -> None:
    try:
        path = join_inside(place, name)
    except BadRowError as bad:
        writer.reject(name, str(bad))
        return
    splits = [row.split for row in rows if row.split]
    image = writer.image(path, name=name, split=splits[0] if splits else None)
    for row in rows:
        if image is None:
            writer.reject(row.item, f"no usable image {row.image!r} in {place.name}/")
            continue
        for attribute, value in row.cells.items():
            writer.attribute(image, attribute, value)


def attribute_values(dataset: Dataset, *, classes: bool = False, fewest: int = 1) -> tuple[list[str], NDArray[np.int8]]:
    """Return the binary attributes of a data set.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    classes : bool
        Whether an attribute of several values, such as the class of an image, is taken for as many binary ones.
    fewest : int
        Images that such a value must have; others are left out.

    Returns
    -------
    names : list of str
        An attribute that is stated by 0 and 1, no and yes and the like has its own name. One of two other values has that
        of the first in alphabetical order, as in `hair=dark`, and with `classes` one of any values has that of each.
        Sorted by attribute and value; where there are names of classes, these stand for the classes.
    values : int8 ndarray of shape (images, len(names))
        1 where an image has the attribute, 0 where it has not, and -1 where the data set states nothing or both.
    """
    table = dataset.table("attributes")
    attribute, text = (table[name].combine_chunks().dictionary_encode() for name in ("attribute", "value"))
    names, texts = attribute.dictionary.to_pylist(), text.dictionary.to_pylist()
    if CLASS_NAME in names:
        names = [None if name == CLASS else name for name in names]
    images, code = table["image"].to_numpy(), np.asarray(text.indices)
    order = np.argsort(np.asarray(attribute.indices), kind="stable")
    counts = np.bincount(np.asarray(attribute.indices), minlength=len(names))
    parts = np.split(order, np.cumsum(counts)[:-1]) if len(names) else []
    found: dict[str, NDArray[np.int8]] = {}
    for name, rows in sorted(((n, r) for n, r in zip(names, parts, strict=True) if n is not None), key=lambda p: p[0]):
        found |= _columns(name, images[rows], code[rows], texts, dataset.rows("images"), fewest if classes else 0)
    values = np.stack(list(found.values()), axis=1) if found else np.empty((dataset.rows("images"), 0), np.int8)
    return list(found), values


def _columns(
    name: str, image: NDArray[np.int32], code: NDArray[np.int32], texts: Sequence[str], images: int, fewest: int
) -> Iterator[tuple[str, NDArray[np.int8]]]:
    """Yield the binary attributes that one attribute is taken for; 0 `fewest`: none for one of several values."""
    pairs = np.unique(np.stack([image, code], 1), axis=0)
    image, code = pairs[:, 0], pairs[:, 1]
    several = np.bincount(image, minlength=images) > 1
    kinds = sorted(np.unique(code).tolist(), key=lambda kind: texts[kind])
    truths = [_TRUTH.get(texts[kind].casefold()) for kind in kinds]
    if None not in truths:
        of = dict(zip(kinds, truths, strict=True))
        yes = np.array([of[kind] for kind in code.tolist()], np.int8)
        column = np.full(images, -1, np.int8)
        column[image] = yes
        sums = np.stack([np.bincount(image, yes == value, images) for value in (0, 1)]) > 0
        column[sums.all(axis=0)] = -1
        yield name, column
        return
    if len(kinds) == 2 and not several.any():
        kinds = kinds[:1]
    else:
        kinds = [
            kind for kind, times in zip(kinds, (np.bincount(code)[kinds]).tolist(), strict=True) if 0 < fewest <= times
        ]
    for kind in kinds:
        column = np.full(images, -1, np.int8)
        column[image] = 0
        column[image[code == kind]] = 1
        yield f"{name}={texts[kind]}", column


__all__ = ["CLASS", "CLASS_NAME", "FILES", "FOLDERS", "attribute_values", "import_attributes"]
