"""Reader of COCO-like annotations: polygons, run lengths, crowd regions, boxes, keypoints, and those of LVIS.

All objects of a category in an image make one segment, their union; each has its own row in `objects`. Polygons are filled by
pycocotools, so that a mask has the pixels that the official `area` counts. A bad image, category or annotation is
rejected; a rejected image takes its annotations with it. Ids are numbers or texts.

An annotation without a segmentation is an object with its box. Keypoints that are visible (2) are landmarks of their
object; 1 is hidden, 0 not labelled. Categories of one name are told apart by their supercategories, or refused.

Pixels are ignored for a category, as neither it nor background, in its crowd regions (`iscrowd` 1; they stand among the
segments too, but are no objects), in what is marked `ignore`, in boxes without a segmentation, in the box of a rejected
annotation, or the whole image where it has none, and in an image of LVIS that is not exhaustively labelled with the
category, or said not to hold it and still labelled with it; objects of these stay. What is of a category named `ignored
regions` or the like is ignored for all.

References
----------
Lin et al. Microsoft COCO: common objects in context. ECCV 2014. https://cocodataset.org/#format-data
Gupta et al. LVIS: a dataset for large vocabulary instance segmentation. CVPR 2019. https://www.lvisdataset.org/dataset
"""

import json
import os.path
from collections import defaultdict
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pycocotools import mask as rle
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from filterscope.pipeline.datasets.colors import ColorLabels
from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import SUFFIXES
from filterscope.pipeline.datasets.landmarks import point_inside
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.names import existing, near_pair, normal
from filterscope.pipeline.datasets.reading import BadRowError, Progress, is_ignored, join_inside, told
from filterscope.pipeline.datasets.regions import Polygon, RunLengths, box_pixels, clip_box, encode_region
from filterscope.pipeline.engine.errors import InputError

#: Files that are looked at in search of a name that nearly matches.
_LOOKED = 10_000


def _as_text(value: Any) -> Any:
    """Return a whole number as text, so that ids may be either."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return str(int(value)) if whole and not isinstance(value, bool) else value


#: A number or a text; 1 and "1" are the same.
_Id = Annotated[str, BeforeValidator(_as_text)]


def _with_name(row: Any) -> Any:
    """Take an image's name from LVIS's `coco_url`: the last folder, which is the split, and the file."""
    if isinstance(row, dict) and "file_name" not in row and isinstance(row.get("coco_url"), str):
        return row | {"file_name": "/".join(row["coco_url"].split("/")[-2:])}
    return row


class _Stated(BaseModel):
    """A row of which null says as little as a key that is not there; so does an empty list in place of a box."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        return {key: value for key, value in row.items() if value is not None and (key, value) != ("bbox", [])}


class _Image(_Stated):
    id: _Id
    file_name: str
    height: int
    width: int
    not_exhaustive_category_ids: list[_Id] = []
    neg_category_ids: list[_Id] = []

    @model_validator(mode="before")
    @classmethod
    def _named(cls, row: Any) -> Any:
        return _with_name(row)


class _Category(_Stated):
    id: _Id
    name: str = Field(min_length=1)
    supercategory: str | None = None
    keypoints: list[str] = []


_Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class _Annotation(_Stated):
    id: _Id | None = None
    image_id: _Id
    category_id: _Id
    segmentation: list[Polygon] | RunLengths | None = None
    bbox: _Box | None = None
    iscrowd: bool = False
    ignore: bool = False
    keypoints: list[FiniteFloat] = []


def _or_none(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        return None


class _Place(BaseModel):
    """What can be read of an annotation that is rejected: of what it is, and its box."""

    image_id: _Id
    category_id: _Id
    bbox: Annotated[_Box | None, WrapValidator(_or_none)] = None


_Row = TypeVar("_Row", _Image, _Category, _Annotation)
_Named = TypeVar("_Named", _Image, _Category)


def import_coco(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    colors: bool = False,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import a data set in the format of COCO's instances and keypoints, of LVIS, or of boxes alone.

    Parameters
    ----------
    source : Path
        An instances JSON file, or a folder with `instances.json` or one `annotations/instances_*.json`.
    folder : Path
        The data set to make.
    images : Path, optional
        Folder of the images; by default `images/`, a folder named as the split, or the JSON file's own.
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
        If there is no instances file, it is not in the format, or none of its images is found.
    """
    path = _find_instances(Path(source))
    content = _read_json(path)
    pixels = Path(images) if images is not None else _find_images(path, content["images"])
    if not pixels.is_dir():
        raise InputError(f"no folder {pixels}; --images must name the folder of the images of {path}")
    root = pixels if images is not None else path.parent.parent if path.parent.name == "annotations" else path.parent
    how = {"reader": "coco", "path": str(path), "images": str(pixels), "colors": colors}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        listed = _unique(_parse(content["images"], _Image, "image", writer), "image", writer)
        categories = _unique(_parse(content["categories"], _Category, "category", writer), "category", writer)
        _tell_apart(categories, path)
        bad: list[Any] = []
        annotations = _parse(content["annotations"], _Annotation, "annotation", writer, bad)
        regions, places = _group(annotations, listed, categories, writer), _places(bad)
        palette = ColorLabels(writer, (category.name for category in categories.values())) if colors else None
        for row in told(listed.values(), progress):
            image = _add_image(row, pixels, root, _split(path), writer)
            if image is not None:
                _add_regions(image, row, regions[row.id], categories, writer)
                _ignore_rest(image, row, places[row.id], categories, writer)
                if palette is not None:
                    palette.add(image, pixels / row.file_name)


def _find_instances(source: Path) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise InputError(f"no file or folder {source}; give a COCO instances JSON file or its folder")
    for pattern in ("instances.json", "instances_*.json", "annotations/instances.json", "annotations/instances_*.json"):
        found = sorted(source.glob(pattern))
        if len(found) > 1:
            raise InputError(f"{source} has several instances files; give one of {', '.join(map(str, found))}")
        if found:
            return found[0]
    raise InputError(f"{source} has no instances.json or annotations/instances_*.json; give the JSON file itself")


def _read_json(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    names = ("images", "annotations", "categories")
    missing = [name for name in names if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise InputError(f"{path} is no COCO instances file: it has no list named {', '.join(missing)}")
    return {name: content[name] for name in names}


def _split(path: Path) -> str | None:
    return path.stem.partition("_")[2] or None


def _find_images(path: Path, rows: list[Any]) -> Path:
    roots = [path.parent.parent, path.parent] if path.parent.name == "annotations" else [path.parent]
    split = _split(path) or "."
    places = list(dict.fromkeys(root / place for root in roots for place in (f"images/{split}", "images", split, ".")))
    stated = [_with_name(row) for row in rows]
    names = [row["file_name"] for row in stated if isinstance(row, dict) and isinstance(row.get("file_name"), str)]
    for folder in places:
        if any(os.path.isfile(existing(folder, name)) for name in names):
            return folder
    tried = ", ".join(map(str, places))
    there = (file.relative_to(folder).as_posix() for folder in places for file in folder.rglob("*.*"))
    pair = near_pair(names, (name for name in islice(there, _LOOKED) if name.lower().endswith(SUFFIXES)))
    near = f". Nearly matching names: {pair[0]!r} is wanted, {pair[1]!r} is there" if pair else ""
    raise InputError(f"none of the {len(rows)} images of {path} lies in {tried}; name their folder with --images{near}")


def _parse(
    rows: list[Any], kind: type[_Row], what: str, writer: DatasetWriter, bad: list[Any] | None = None
) -> list[_Row]:
    """Return the rows that are as they should be; the others are rejected, and added to `bad` if it is given."""
    parsed = []
    for position, row in enumerate(rows):
        try:
            parsed.append(kind.model_validate(row))
        except ValidationError as error:
            detail: Any = error.errors()[0]
            number = ascii(row["id"])[:40] if isinstance(row, dict) and "id" in row else f"at position {position}"
            writer.reject(f"{what} {number}", ": ".join([*map(str, detail["loc"][:1]), detail["msg"]]))
            if bad is not None:
                bad.append(row)
    return parsed


def _places(rows: list[Any]) -> dict[str, list[_Place]]:
    """Return what can be read of rejected annotations, by image."""
    places: dict[str, list[_Place]] = defaultdict(list)
    for row in rows:
        with suppress(ValidationError):
            place = _Place.model_validate(row)
            places[place.image_id].append(place)
    return places


def _unique(rows: list[_Named], what: str, writer: DatasetWriter) -> dict[str, _Named]:
    known: dict[str, _Named] = {}
    for row in rows:
        if known.setdefault(row.id, row) is not row:
            writer.reject(f"{what} {row.id}", f"the id {row.id} is given twice; the first stays")
    return known


def _tell_apart(categories: dict[str, _Category], path: Path) -> None:
    """Give categories of one name their supercategories too; InputError if that leaves two alike."""
    named: dict[str, list[_Category]] = defaultdict(list)
    for row in categories.values():
        named[normal(row.name.strip())].append(row)
    for name, rows in named.items():
        if len(rows) > 1 and len({row.supercategory for row in rows}) < len(rows):
            ids = " and ".join(row.id for row in rows)
            raise InputError(f"categories {ids} of {path} are all named {name!r}; give each a name of its own")
        for row in rows if len(rows) > 1 else ():
            row.name = f"{name} ({row.supercategory or 'no supercategory'})"


def _group(
    rows: list[_Annotation], images: dict[str, _Image], categories: dict[str, _Category], writer: DatasetWriter
) -> dict[str, list[_Annotation]]:
    grouped: dict[str, list[_Annotation]] = defaultdict(list)
    for row in rows:
        if row.image_id not in images:
            writer.reject(f"annotation {row.id}", f"image {row.image_id} is not in the list of images")
        elif row.category_id not in categories:
            writer.reject(f"annotation {row.id}", f"category {row.category_id} is not in the list of categories")
        else:
            grouped[row.image_id].append(row)
    return grouped


def _add_image(row: _Image, folder: Path, root: Path, split: str | None, writer: DatasetWriter) -> int | None:
    try:
        path = join_inside(folder, row.file_name, root=root)
        if writer.has_image(row.file_name):
            raise BadRowError(f"{row.file_name!r} is the file of another image already")
    except BadRowError as bad:
        writer.reject(f"image {row.id}", str(bad))
        return None
    return writer.image(path, name=row.file_name, split=split, size=(row.height, row.width))


def _add_regions(
    image: int, listed: _Image, rows: list[_Annotation], categories: dict[str, _Category], writer: DatasetWriter
) -> None:
    size = writer.size(image)
    masks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        category, item = categories[row.category_id], f"annotation {row.id} of image {row.image_id}"
        try:
            mask = encode_region(row.segmentation, *size) if row.segmentation else None
            if mask is None and row.bbox is None:
                raise BadRowError("the segmentation covers no pixel of the image, and there is no bbox")
            box = clip_box(row.bbox or tuple(rle.toBbox(mask).tolist()), *size)
        except BadRowError as bad:
            writer.reject(item, str(bad))
            _ignore(image, category.name, None, row.bbox, writer)
            continue
        marked = "it is marked ignore" if row.ignore else f"what is {category.name!r} is ignored"
        if is_ignored(category.name) or row.ignore or row.iscrowd or mask is None:
            _ignore(image, category.name, mask, row.bbox, writer)
        if is_ignored(category.name) or row.ignore:
            writer.reject(item, marked)
            continue
        if mask is not None and row.category_id in (*listed.not_exhaustive_category_ids, *listed.neg_category_ids):
            writer.reject(item, f"{category.name!r} is not exhaustively labelled in the image: no concept")
        elif mask is not None:
            masks[category.name].append(mask)
        if not row.iscrowd:
            _add_keypoints(image, writer.object(image, category.name, box), row, category, item, writer)
    for name, parts in masks.items():
        writer.segment(image, writer.concept(name, "object"), rle.decode(rle.merge(parts)).astype(bool))
    unsure = {*listed.neg_category_ids} & {row.category_id for row in rows}
    for number in {*listed.not_exhaustive_category_ids, *unsure} & categories.keys():
        writer.ignore(image, None, concept=categories[number].name)


def _ignore_rest(
    image: int, listed: _Image, places: list[_Place], categories: dict[str, _Category], writer: DatasetWriter
) -> None:
    """Ignore the boxes of annotations that were rejected as they were read."""
    for place in places:
        if place.category_id in categories:
            _ignore(image, categories[place.category_id].name, None, place.bbox, writer)


def _ignore(image: int, name: str, mask: dict[str, Any] | None, box: _Box | None, writer: DatasetWriter) -> None:
    """Ignore a region for a category, or for all if the category is what is ignored: the mask, else the box, else the image."""
    pixels = None if mask is None else rle.decode(mask).astype(bool)
    if pixels is None and box is not None and min(box[2:]) > 0:
        pixels = box_pixels((box[0], box[1], box[0] + box[2], box[1] + box[3]), *writer.size(image))
    writer.ignore(image, pixels, **({"categories": ("object",)} if is_ignored(name) else {"concept": name}))


def _add_keypoints(
    image: int, number: int, row: _Annotation, category: _Category, item: str, writer: DatasetWriter
) -> None:
    if len(row.keypoints) != 3 * len(category.keypoints):
        if row.keypoints:
            reason = (
                f"{len(row.keypoints)} numbers for {len(category.keypoints)} keypoints of {category.name!r}, 3 each"
            )
            writer.reject(item, reason)
        return
    for place, name in enumerate(category.keypoints):
        x, y, seen = row.keypoints[3 * place : 3 * place + 3]
        try:
            if seen == 2:
                writer.landmark(image, number, name, *point_inside(x, y, *writer.size(image)))
        except BadRowError as bad:
            writer.reject(f"{name} of {item}", str(bad))
