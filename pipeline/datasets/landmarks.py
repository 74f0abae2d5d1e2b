"""Reader of landmarks in CSV files: a user's own points on images, with or without objects."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import SUFFIXES
from filterscope.pipeline.datasets.layout import NEGATIVE, DatasetWriter
from filterscope.pipeline.datasets.names import normal
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, read_rows, told
from filterscope.pipeline.engine.errors import InputError

#: Columns that objects.csv must have.
OBJECT_COLUMNS = ("image", "object", "category", "xmin", "ymin", "xmax", "ymax")


def import_landmarks(
    source: Path,
    folder: Path,
    *,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import images with landmarks, and objects if there are any.

    `landmarks.csv` has the columns image, landmark, x, y and optionally object and width, height: of a part's box, whose
    centre is x, y. `objects.csv`, which may be missing, has image, object, category, xmin, ymin, xmax, ymax. Other columns
    are ignored. An image is named by its path inside
    `images/`, an object by anything that is unique inside its image; a landmark without an object belongs to the image.
    Coordinates are in pixels, 0 at the centre of the top-left pixel, and a box includes both ends. Images of a folder
    `negatives/` come in with the split `negative`; they hold no object. Images without a row come in as they are.

    A row that names no image or object, or whose numbers are not a position or size in the image, is rejected. A landmark
    outside its object's box is kept, and so are several of one name on one object.

    Parameters
    ----------
    source : Path
        Folder with `images/`, `landmarks.csv` and optionally `objects.csv` and `negatives/`.
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
        If there are no images or no landmarks.csv, or a CSV file lacks a column.
    """
    source, columns = Path(source), ("landmark", "width", "height")
    content = read_landmarks(source, columns)
    write_landmarks(content, source, folder, "landmarks", columns, in_place, group_by, exif, progress)


@dataclass
class Annotated:
    """What a source says, before it is checked.

    Attributes
    ----------
    images : dict
        Name of each image in the data set, its path inside the source and its split.
    boxes, points : list of (str, dict)
        Where a row stands, and its cells as in objects.csv and landmarks.csv.
    rejects : list of (str, str)
        What the source holds besides and cannot be used, with the reason.
    """

    images: dict[str, tuple[str, str | None]]
    boxes: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    points: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    rejects: list[tuple[str, str]] = field(default_factory=list)


def read_landmarks(source: Path, columns: tuple[str, str, str]) -> Annotated:
    """Read the CSV files of a folder; `columns` of landmarks.csv hold name, width and height of a landmark."""
    content = Annotated(_images(source))
    content.points = _rows(source / "landmarks.csv", ("image", columns[0], "x", "y"))
    if (source / "objects.csv").exists():
        content.boxes = _rows(source / "objects.csv", OBJECT_COLUMNS)
    return content


def write_landmarks(
    content: Annotated,
    source: Path,
    folder: Path,
    reader: str,
    columns: tuple[str, str, str],
    in_place: bool,
    group_by: str | Path | None,
    exif: str,
    progress: Progress | None,
) -> None:
    """Make a data set of what a source says; see `import_landmarks`."""
    how = {"reader": reader, "path": str(source)}
    with grouped_writer(
        folder, source=how, in_place=in_place, group_by=group_by, exif=exif, apart=("negatives",)
    ) as writer:
        annotated = _Annotations(source, writer, columns)
        for name, (path, split) in told(content.images.items(), progress):
            annotated.add_image(name, path, split)
        for item, row in content.boxes:
            annotated.add(item, row, annotated.add_object)
        for item, row in content.points:
            annotated.add(item, row, annotated.add_landmark)
        for item, reason in content.rejects:
            writer.reject(item, reason)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    return [(f"{path.name} line {line}", row) for line, row in read_rows(path, columns)]


def _images(source: Path) -> dict[str, tuple[str, str | None]]:
    if not (source / "images").is_dir():
        raise InputError(f"no folder {source / 'images'}; give the folder that holds images/ and landmarks.csv")
    listed = image_files(source, "images", "", None) | negatives(source)
    if not listed:
        raise InputError(f"{source / 'images'} has no file ending in {', '.join(SUFFIXES)}")
    return listed


def negatives(source: Path) -> dict[str, tuple[str, str | None]]:
    """Return the images without objects, as in `Annotated`."""
    return image_files(source, "negatives", "negatives/", NEGATIVE)


def image_files(source: Path, place: str, prefix: str, split: str | None) -> dict[str, tuple[str, str | None]]:
    """Return the images of a folder of the source, as in `Annotated`, in order of their paths."""
    found = (path for path in (source / place).rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = sorted(path.relative_to(source / place).as_posix() for path in found if path.is_file())
    seen = (path for path in paths if not Path(path).name.startswith("."))
    return {prefix + path: ((Path(place) / path).as_posix(), split) for path in seen}


class _Annotations:
    """Writes images, then their objects, then their landmarks."""

    def __init__(self, source: Path, writer: DatasetWriter, columns: tuple[str, str, str]) -> None:
        self._source, self._writer, self._columns = source, writer, columns
        self._images: dict[str, int] = {}
        self._objects: dict[tuple[int, str], int] = {}

    def add_image(self, name: str, path: str, split: str | None) -> None:
        try:
            image = self._writer.image(join_inside(self._source, path), name=name, split=split)
        except BadRowError as bad:
            self._writer.reject(path, str(bad))
            return
        if image is not None:
            self._images[normal(name)] = image

    def add(self, item: str, row: dict[str, str], how: Callable[[int, dict[str, str]], None]) -> None:
        """Add a row, or reject it as the item."""
        try:
            image = self._images.get(normal(row["image"]))
            if image is None:
                self._writer.unmatched([row["image"]], lambda: self._images)
                raise BadRowError(f"no usable image {row['image']!r} in images/")
            how(image, row)
        except BadRowError as bad:
            self._writer.reject(item, str(bad))

    def add_object(self, image: int, row: dict[str, str]) -> None:
        key = image, row["object"]
        if key in self._objects:
            raise BadRowError(f"object {row['object']!r} of {row['image']!r} is given twice; the first stays")
        if not row["category"] or not row["object"]:
            raise BadRowError("the object has no name or no category")
        x0, y0, x1, y1 = (number(row[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
        self._objects[key] = self._writer.object(
            image, row["category"], box_inside((x0, y0, x1 + 1, y1 + 1), *self._writer.size(image))
        )

    def add_landmark(self, image: int, row: dict[str, str]) -> None:
        name, owner = row[self._columns[0]], row.get("object") or None
        if not name:
            raise BadRowError("the landmark has no name")
        if owner is not None and (image, owner) not in self._objects:
            raise BadRowError(f"object {owner!r} of {row['image']!r} is not in objects.csv")
        x, y = point_inside(number(row["x"]), number(row["y"]), *self._writer.size(image))
        size = box_size(*(row.get(name, "") for name in self._columns[1:]))
        self._writer.landmark(image, None if owner is None else self._objects[image, owner], name, x, y, size)


def number(text: str) -> float:
    """Read a finite number, or raise BadRowError."""
    try:
        value = float(text)
    except ValueError:
        raise BadRowError(f"{text!r} is no number") from None
    if not math.isfinite(value):
        raise BadRowError(f"{text!r} is no position")
    return value


def box_size(width: str, height: str) -> tuple[float, float] | None:
    """Read width and height of a part's box, None where both cells are empty; or raise BadRowError."""
    if not width and not height:
        return None
    size = number(width), number(height)
    if min(size) <= 0:
        raise BadRowError(f"a box of {width} x {height} (width x height) has no area")
    return size


def point_inside(x: float, y: float, height: int, width: int) -> tuple[float, float]:
    """Return the point, or raise BadRowError if it lies outside the image."""
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        raise BadRowError(f"({x:g}, {y:g}) lies outside the image of {height} x {width} (height x width)")
    return x, y


def box_inside(box: tuple[float, float, float, float], height: int, width: int) -> tuple[float, float, float, float]:
    """Return the box x0, y0, x1, y1 cut at the edges of the image, or raise BadRowError if nothing is left."""
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    if x1 <= x0 or y1 <= y0:
        raise BadRowError(f"the box {list(box)} has no area inside the image of {height} x {width} (height x width)")
    return x0, y0, x1, y1
