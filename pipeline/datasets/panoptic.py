"""Reader of COCO panoptic segmentation: a JSON of segments and a PNG of their ids for each image.

References
----------
Kirillov et al. Panoptic segmentation. CVPR 2019. https://cocodataset.org/#format-data
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import BadRowError, Progress, is_ignored, join_inside, read_rgb, told
from filterscope.pipeline.engine.errors import InputError


class _Category(BaseModel):
    id: int
    name: str = Field(min_length=1)
    isthing: bool = True


class _Segment(BaseModel):
    id: int
    category_id: int
    iscrowd: bool = False


class _Image(BaseModel):
    id: int | str
    file_name: str
    height: int
    width: int


class _Annotation(BaseModel):
    image_id: int | str
    file_name: str
    segments_info: list[_Segment]


def import_panoptic(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    masks: Path | None = None,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import COCO panoptic segmentation.

    A pixel belongs to the segment R + 256 G + 65536 B. Segments of a category in an image make one segment, their union.
    Things are objects with the extent of their segment as box; stuff is not. Pixels of a crowd are ignored for its category,
    those of no listed segment, such as 0 ("void"), and of categories named `void` or the like for all.

    Parameters
    ----------
    source : Path
        The JSON file.
    folder : Path
        The data set to make.
    images, masks : Path, optional
        Folders of the images and of the PNG files; by default `images/` beside the JSON, and the folder of the JSON's name.
    in_place : bool
        Refer to the images instead of copying them.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If the file is no panoptic JSON, two categories have one name, or nothing can be used.
    """
    path = Path(source) / "panoptic.json" if Path(source).is_dir() else Path(source)
    content = _read(path)
    pixels = path.parent / "images" if images is None else Path(images)
    ids = path.with_suffix("") if masks is None else Path(masks)
    how = {"reader": "panoptic", "path": str(path), "images": str(pixels), "masks": str(ids)}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        listed = {str(row.id): row for row in _parsed(content["images"], _Image, "image", writer)}
        categories = {row.id: row for row in _parsed(content["categories"], _Category, "category", writer)}
        names = [row.name for row in categories.values()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"two categories of {path} are named {twice!r}; give each a name of its own")
        rows = _parsed(content["annotations"], _Annotation, "annotation", writer)
        for row in told(rows, progress):
            try:
                if str(row.image_id) not in listed:
                    raise BadRowError(f"image {row.image_id} is not in the list of images")
                _add(row, listed[str(row.image_id)], categories, (pixels, ids), writer)
            except BadRowError as bad:
                writer.reject(f"annotation of image {row.image_id}", str(bad))


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no file {path}; give COCO's panoptic JSON file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    names = ("images", "annotations", "categories")
    missing = [name for name in names if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise InputError(f"{path} is not a panoptic file: it has no list named {', '.join(missing)}")
    return {name: content[name] for name in names}


def _parsed(rows: list[Any], kind: Any, what: str, writer: DatasetWriter) -> list[Any]:
    parsed = []
    for place, row in enumerate(rows):
        try:
            parsed.append(kind.model_validate(row))
        except ValidationError as error:
            detail: Any = error.errors()[0]
            writer.reject(f"{what} at position {place}", f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}")
    return parsed


def _add(
    row: _Annotation,
    listed: _Image,
    categories: dict[int, _Category],
    folders: tuple[Path, Path],
    writer: DatasetWriter,
) -> None:
    if writer.has_image(listed.file_name):
        raise BadRowError(f"{listed.file_name!r} is the file of an earlier row already")
    red, green, blue = np.moveaxis(read_rgb(join_inside(folders[1], row.file_name)).astype(np.int64), 2, 0)
    ids, size = red + 256 * green + 65536 * blue, (listed.height, listed.width)
    if ids.shape != size:
        raise BadRowError(
            f"its PNG is {ids.shape[0]} x {ids.shape[1]}, its image {size[0]} x {size[1]} (height x width)"
        )
    path = join_inside(folders[0], listed.file_name)
    image = writer.image(path, name=listed.file_name, size=size)
    if image is None:
        return
    masks: dict[int, np.ndarray] = {}
    void = ~np.isin(ids, [segment.id for segment in row.segments_info if segment.id != 0])
    for segment in row.segments_info:
        category, mask = categories.get(segment.category_id), ids == segment.id
        if category is None or segment.id == 0 or not mask.any():
            writer.reject(f"segment {segment.id} of image {listed.id}", "it has no pixel, or no category in the list")
            continue
        if is_ignored(category.name):
            void |= mask
            continue
        if segment.iscrowd:
            writer.ignore(image, mask, concept=category.name)
        masks[category.id] = masks.get(category.id, False) | mask
        if category.isthing and not segment.iscrowd:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
            writer.object(image, category.name, box)
    writer.ignore(image, void, categories=("object", "stuff"))
    for number, mask in masks.items():
        category = categories[number]
        writer.segment(image, writer.concept(category.name, "object" if category.isthing else "stuff"), mask)
