"""Reader of the Broden format: index.csv, label.csv, label images with label = R + 256 G.

References
----------
Bau, Zhou, Khosla, Oliva, Torralba. Network dissection: quantifying interpretability of deep visual representations.
CVPR 2017, section 2.1.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.pipeline.datasets.colors import ColorLabels
from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import (
    BadRowError,
    ImportNote,
    Progress,
    is_ignored,
    is_no_label,
    join_inside,
    read_rgb,
    read_rows,
    told,
)
from filterscope.pipeline.engine.errors import InputError

_FIXED = ("image", "split", "ih", "iw", "sh", "sw")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class _Label:
    number: int
    name: str
    category: str


def import_broden(
    source: Path,
    folder: Path,
    *,
    colors: bool = False,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "ignore",
    progress: Progress | None = None,
) -> None:
    """Import a data set in Broden format.

    Masks are kept at the size of their image: pixel (r, c) of H x W takes the label at row floor((r + .5) h / H) and
    column floor((c + .5) w / W) of the h x w label image. Sampling back to h x w gives the label image again, unless it
    is larger than the image. Several layers of one image are united; a concept's category is the first in its category
    cell in label.csv; label 0 is never a concept, and an `ImportNote` tells if it has a name. The categories are those that
    category.csv names, or without that file all columns but the fixed six. A bad label image or cell is rejected and the
    image keeps its other labels; it is ignored for that category. Pixels of a label named `void` or the like are ignored for
    the category of their label image.

    Parameters
    ----------
    source : Path
        Folder with index.csv, label.csv, optionally category.csv, and `images/`.
    folder : Path
        The data set to make.
    colors : bool
        Add the 11 colour concepts.
    in_place : bool
        Refer to the images instead of copying them.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If a CSV file is missing or lacks a column.
    """
    source = Path(source)
    rows = read_rows(source / "index.csv", ("image",))
    label_rows = read_rows(source / "label.csv", ("number", "name", "category"))
    categories = _categories(source, list(rows[0][1]) if rows else [])
    how = {"reader": "broden", "path": str(source), "colors": colors}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        labels = _read_labels(label_rows, writer)
        palette = ColorLabels(writer, (label.name for label in labels.values())) if colors else None
        reader = _Reader(source / "images", writer, labels, categories, _whole_image(rows, categories))
        for line, row in told(rows, progress):
            image = reader.add_image(line, row)
            if image is not None and palette is not None:
                palette.add(image, source / "images" / row["image"])


def _categories(source: Path, header: list[str]) -> list[str]:
    columns = [column for column in header if column not in _FIXED]
    if not (source / "category.csv").exists():
        return columns
    named = [row["name"] for _, row in read_rows(source / "category.csv", ("name",))]
    missing = [name for name in named if header and name not in columns]
    if missing:
        raise InputError(f"{source / 'index.csv'} has no column {', '.join(missing)}, which category.csv names")
    return named


def _read_labels(rows: list[tuple[int, dict[str, str]]], writer: DatasetWriter) -> dict[int, _Label]:
    labels: dict[int, _Label] = {}
    by_name: dict[str, _Label] = {}
    for line, row in rows:
        name, category = row["name"], row["category"].partition(";")[0].partition("(")[0].strip()
        if not _NUMBER.fullmatch(row["number"]) or not name or not category:
            writer.reject(f"label.csv line {line}", "a label needs a whole number, a name and a category")
            continue
        number = int(row["number"])
        if number == 0 and not is_no_label(name):
            reason = f"label 0 is named {name!r} but 0 means unlabelled in Broden; give the label another number"
            writer.reject(f"label.csv line {line}", reason)
            warnings.warn(f"label.csv line {line}: {reason}", ImportNote, stacklevel=3)
        if number in labels:
            writer.reject(f"label.csv line {line}", f"label {number} is {labels[number].name!r} already")
        elif number != 0:
            labels[number] = by_name.setdefault(name, _Label(number, name, category))
    return labels


def _parts(row: dict[str, str], category: str) -> list[str]:
    return [part.strip() for part in row[category].split(";") if part.strip()]


def _whole_image(rows: list[tuple[int, dict[str, str]]], categories: list[str]) -> set[str]:
    """Return the categories without a label image in any row."""
    return {
        category
        for category in categories
        if all(_NUMBER.fullmatch(part) for _, row in rows for part in _parts(row, category))
    }


def _size(row: dict[str, str], height: str, width: str) -> tuple[int, int] | None:
    cells = row.get(height, ""), row.get(width, "")
    if not any(cells):
        return None
    if not all(_NUMBER.fullmatch(cell) for cell in cells):
        raise BadRowError(f"{height} {cells[0]!r} and {width} {cells[1]!r} must be whole numbers")
    return int(cells[0]), int(cells[1])


def enlarge(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sample a label image (shape (h, w)) at the pixel centres of height x width, in column-major order."""
    rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
    return np.asfortranarray(labels[rows[:, None], columns])


def _read_layer(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    rgb = read_rgb(path).astype(np.int32)
    if size is not None and rgb.shape[:2] != size:
        found, stated = f"{rgb.shape[0]} x {rgb.shape[1]}", f"{size[0]} x {size[1]}"
        raise BadRowError(f"the label image is {found} but index.csv says {stated} (height x width)")
    if rgb[..., 2].any():
        raise BadRowError("the label image has blue pixels; a label is R + 256 G and B is 0")
    return rgb[..., 0] + 256 * rgb[..., 1]


@dataclass(frozen=True)
class _Reader:
    images: Path
    writer: DatasetWriter
    labels: dict[int, _Label]
    categories: list[str]
    whole_image: set[str]

    def add_image(self, line: int, row: dict[str, str]) -> int | None:
        item = f"index.csv line {line}"
        try:
            path, size, layer_size = self._check(row)
        except BadRowError as bad:
            self.writer.reject(item, str(bad))
            return None
        image = self.writer.image(path, name=row["image"], split=row.get("split") or None, size=size)
        if image is not None:
            self._add_segments(image, row, item, layer_size)
        return image

    def _check(self, row: dict[str, str]) -> tuple[Path, tuple[int, int] | None, tuple[int, int] | None]:
        path = join_inside(self.images, row["image"], root=self.images.parent)
        if self.writer.has_image(row["image"]):
            raise BadRowError(f"image {row['image']!r} is in an earlier row already")
        return path, _size(row, "ih", "iw"), _size(row, "sh", "sw")

    def _add_segments(self, image: int, row: dict[str, str], item: str, layer_size: tuple[int, int] | None) -> None:
        masks: dict[_Label, np.ndarray | None] = {}
        for category in self.categories:
            for part in _parts(row, category):
                try:
                    for number, mask in self._labelled(part, layer_size, self.writer.size(image)):
                        if number in self.labels and is_ignored(self.labels[number].name):
                            self.writer.ignore(image, mask, categories=(category,))
                        else:
                            self._unite(masks, number, mask, f"{item}, {category} {part}")
                except BadRowError as bad:
                    self.writer.reject(f"{item}, {category} {part}", str(bad))
                    self.writer.ignore(image, None, categories=(category,))
        for label, mask in sorted(masks.items(), key=lambda pair: pair[0].number):
            level = "image" if label.category in self.whole_image else "pixel"
            self.writer.segment(image, self.writer.concept(label.name, label.category, level), mask)

    def _labelled(
        self, part: str, layer_size: tuple[int, int] | None, size: tuple[int, int]
    ) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield the labels of one part of a cell with their masks at the size of the image; None is all of it."""
        if _NUMBER.fullmatch(part):
            yield int(part), None
            return
        labels = enlarge(_read_layer(join_inside(self.images, part, root=self.images.parent), layer_size), *size)
        for number in np.flatnonzero(np.bincount(labels.ravel(order="K"))):
            yield int(number), labels == number

    def _unite(self, masks: dict[_Label, np.ndarray | None], number: int, mask: np.ndarray | None, item: str) -> None:
        if number == 0:
            return
        if number not in self.labels:
            self.writer.reject(item, f"label {number} is not in label.csv; what it labels stays unlabelled")
            return
        label = self.labels[number]
        earlier = masks.get(label, mask)
        masks[label] = None if mask is None or earlier is None else mask | earlier
