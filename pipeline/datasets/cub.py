"""Reader of Caltech-UCSD Birds-200-2011: one bird per image, its box, 15 part locations, its species.

References
----------
Wah et al. The Caltech-UCSD Birds-200-2011 dataset. Technical report CNS-TR-2011-001, Caltech.
"""

from pathlib import Path

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.landmarks import box_inside, number, point_inside
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, told
from filterscope.pipeline.engine.errors import InputError

#: Species are an attribute: location instability pools them.
_CATEGORY = "bird"


def import_cub(
    source: Path,
    folder: Path,
    *,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "ignore",
    progress: Progress | None = None,
) -> None:
    """Import CUB-200-2011.

    Every image has one object of the category bird, the visible parts as its landmarks, its species as an attribute and
    its split (train or test). Coordinates are taken as 0-based, as the annotation tool wrote them. A part outside the
    box is kept.

    Parameters
    ----------
    source : Path
        The folder `CUB_200_2011`, with images.txt, bounding_boxes.txt, classes.txt, image_class_labels.txt,
        train_test_split.txt, parts/ and images/.
    folder : Path
        The data set to make.
    in_place : bool
        Refer to the images instead of copying them.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If one of the text files is missing or is not text.
    """
    source = Path(source)
    how = {"reader": "cub", "path": str(source)}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        files = _Texts(source, writer)
        names = files.table("images.txt", 2)
        boxes, splits = files.table("bounding_boxes.txt", 5), files.table("train_test_split.txt", 2)
        classes, labels = files.table("classes.txt", 2), files.table("image_class_labels.txt", 2)
        parts, points = files.table("parts/parts.txt", 2), files.points("parts/part_locs.txt")
        for key, (name,) in told(names.items(), progress):
            split = {"1": "train", "0": "test"}.get(splits.get(key, [""])[0])
            image = _add_image(source, name, split, writer)
            if image is not None:
                species = classes.get(labels.get(key, [""])[0])
                if species:
                    writer.attribute(image, "species", species[0])
                _add_bird(image, name, boxes.get(key), points.get(key, []), parts, writer)


class _Texts:
    """The text files of the set: one row per line, cells separated by spaces; the last cell may contain some."""

    def __init__(self, source: Path, writer: DatasetWriter) -> None:
        self._source, self._writer = source, writer

    def table(self, name: str, cells: int) -> dict[str, list[str]]:
        """Read rows by their first cell."""
        rows: dict[str, list[str]] = {}
        for line, row in self._rows(name, cells):
            if row[0] in rows:
                self._writer.reject(f"{name} line {line}", f"the id {row[0]} is given twice; the first stays")
            else:
                rows[row[0]] = row[1:]
        return rows

    def points(self, name: str) -> dict[str, list[list[str]]]:
        """Read the visible parts of each image: part, x, y."""
        rows: dict[str, list[list[str]]] = {}
        for _, row in self._rows(name, 5):
            if row[4] == "1":
                rows.setdefault(row[0], []).append(row[1:4])
        return rows

    def _rows(self, name: str, cells: int) -> list[tuple[int, list[str]]]:
        path, rows = self._source / name, []
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            raise InputError(f"no file {path}; give the folder CUB_200_2011 of the data set") from None
        except (UnicodeDecodeError, OSError) as error:
            raise InputError(f"{path} is not a text file in UTF-8: {error}") from error
        for line, text in enumerate(lines, 1):
            row = text.split(maxsplit=cells - 1)
            if len(row) == cells:
                rows.append((line, [cell.strip() for cell in row]))
            elif row:
                self._writer.reject(f"{name} line {line}", f"{len(row)} cells where {cells} belong")
        return rows


def _add_image(source: Path, name: str, split: str | None, writer: DatasetWriter) -> int | None:
    try:
        path = join_inside(source / "images", name, root=source)
        if writer.has_image(name):
            raise BadRowError(f"{name!r} is the file of another image already")
    except BadRowError as bad:
        writer.reject(f"image {name}", str(bad))
        return None
    return writer.image(path, name=name, split=split)


def _add_bird(
    image: int,
    name: str,
    box: list[str] | None,
    points: list[list[str]],
    parts: dict[str, list[str]],
    writer: DatasetWriter,
) -> None:
    bird = None
    try:
        if box is None:
            raise BadRowError("no row in bounding_boxes.txt; its parts belong to the image")
        x, y, width, height = map(number, box)
        bird = writer.object(image, _CATEGORY, box_inside((x, y, x + width, y + height), *writer.size(image)))
    except BadRowError as bad:
        writer.reject(f"box of {name}", str(bad))
    for part, x_text, y_text in points:
        try:
            if part not in parts:
                raise BadRowError(f"part {part} is not in parts.txt")
            x, y = point_inside(number(x_text), number(y_text), *writer.size(image))
            writer.landmark(image, bird, parts[part][0], x, y)
        except BadRowError as bad:
            writer.reject(f"part {part} of {name}", str(bad))
