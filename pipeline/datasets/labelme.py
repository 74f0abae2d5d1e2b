"""Reader of LabelMe: a JSON file beside each image.

References
----------
Wada. labelme: image polygonal annotation with Python. https://github.com/wkentaro/labelme
"""

import base64
import io
import json
import math
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from filterscope.pipeline.datasets.drawn import Shapes
from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import UNDECODABLE, open_image
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, refuse_leaving, told
from filterscope.pipeline.engine.errors import InputError


class _Shape(BaseModel):
    label: str = Field(min_length=1)
    points: list[tuple[FiniteFloat, FiniteFloat]] = Field(min_length=1)
    shape_type: str = "polygon"
    group_id: int | None = None
    mask: str | None = None


class _File(BaseModel):
    imagePath: str = Field(min_length=1)  # noqa: N815
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815
    shapes: list[Any]


def import_labelme(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import images annotated with LabelMe.

    Polygons, circles and masks are concepts and objects, rectangles objects, points landmarks. Shapes of one label and
    `group_id` are one object, to which points of the group belong. Lines have no area and are rejected. Pixels are ignored
    for a label where it has only a rectangle or a rejected shape, and for all labels under `__ignore__`.

    Parameters
    ----------
    source : Path
        Folder of JSON files, at any depth.
    folder : Path
        The data set to make.
    images : Path, optional
        Folder of the images, by the paths of their JSON files below `source`; by default beside these.
    in_place : bool
        Refer to the images instead of copying them.
    group_by : str or Path, optional
        What images belong together: see `pipeline.datasets.grouping.grouped_writer`.
    exif : "apply" or "ignore"
        Images upright or as stored: see `grouped_writer`. LabelMe shows and measures them upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If there is no JSON file, or nothing in them can be used.
    """
    source = Path(source)
    files = sorted(path for path in source.rglob("*.json") if not path.name.startswith("."))
    if not files:
        raise InputError(f"{source} has no .json file; give the folder in which LabelMe saved")
    pixels = source if images is None else Path(images)
    how = {"reader": "labelme", "path": str(source), "images": str(pixels)}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        for path in told(files, progress):
            item = path.relative_to(source).as_posix()
            try:
                content = _File.model_validate(_read(refuse_leaving(path, source)))
                _add(content, path.relative_to(source).parent, pixels, item, writer)
            except ValidationError as error:
                writer.reject(item, _said(error))
            except BadRowError as bad:
                writer.reject(item, str(bad))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadRowError(f"it is not JSON: {error}") from error


def _said(error: ValidationError) -> str:
    detail: Any = error.errors()[0]
    return ": ".join([".".join(map(str, detail["loc"])), detail["msg"]])


def _add(content: _File, below: Path, pixels: Path, item: str, writer: DatasetWriter) -> None:
    # written on any system, and often with a way there from elsewhere: the image lies beside its file
    name = (below / PureWindowsPath(content.imagePath).name).as_posix()
    path = join_inside(pixels, name)
    if writer.has_image(name):
        raise BadRowError(f"{name!r} is the image of another file already")
    size = (content.imageHeight, content.imageWidth)
    stated = None if size[0] is None or size[1] is None else (size[0], size[1])
    image = writer.image(path, name=name, size=stated)
    if image is None:
        return
    shapes = Shapes(writer, image)
    for place, row in enumerate(content.shapes):
        try:
            _draw(_Shape.model_validate(row), place, shapes)
        except ValidationError as error:
            writer.reject(f"shape {place} of {item}", _said(error))
        except BadRowError as bad:
            writer.reject(f"shape {place} of {item}", str(bad))
        else:
            continue
        _lose(row, shapes)
    shapes.write()


def _lose(row: Any, shapes: Shapes) -> None:
    """Ignore the extent of a shape that was rejected for its label, if it has one; a point has no extent."""
    try:
        shape = _Shape.model_validate({**row, "mask": None, "group_id": None})
    except (ValidationError, TypeError):
        label = row.get("label") if isinstance(row, dict) else None
        if isinstance(label, str) and label:
            shapes.lost(label, ())
    else:
        (x, y), rim = shape.points[0], shape.points[-1]
        if shape.shape_type == "circle":
            radius = math.dist((x, y), rim)
            shapes.lost(shape.label, [(x - radius, y - radius), (x + radius, y + radius)])
        elif shape.shape_type != "point":
            shapes.lost(shape.label, shape.points)


def _draw(shape: _Shape, place: int, shapes: Shapes) -> None:
    group = f"group {shape.group_id}" if shape.group_id is not None else f"shape {place}"
    label, points, kind = shape.label, shape.points, shape.shape_type
    if kind == "polygon":
        shapes.polygon(label, points, group)
    elif kind == "point":
        shapes.point(label, *points[0], group)
    elif len(points) < 2:
        raise BadRowError(f"a {kind} needs two points")
    elif kind == "rectangle":
        shapes.box(label, points, group)
    elif kind == "circle":
        radius = math.dist(points[0], points[1])
        shapes.ellipse(label, *points[0], (radius, radius), 0.0, group)
    elif kind == "mask" and shape.mask is not None:
        shapes.mask(label, _mask(shape.mask), round(points[0][0]), round(points[0][1]), group)
    else:
        raise BadRowError(f"a shape of type {kind!r} covers no area")


def _mask(text: str) -> np.ndarray:
    try:
        with open_image(io.BytesIO(base64.b64decode(text))) as file:
            return np.asarray(file.convert("L")) > 0
    except UNDECODABLE as error:
        raise BadRowError(f"its mask cannot be decoded: {error}") from error
