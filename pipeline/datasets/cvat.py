"""Reader of CVAT's XML for images, version 1.1.

References
----------
CVAT for images 1.1. https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import math
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from filterscope.pipeline.datasets.drawn import Points, Shapes
from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.landmarks import number
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, told
from filterscope.pipeline.engine.errors import InputError


def import_cvat(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "apply",
    progress: Progress | None = None,
) -> None:
    """Import images annotated with CVAT.

    Polygons, ellipses and masks are concepts and objects, boxes objects (a turned one by its extent), points landmarks,
    those of a skeleton too; tags are attributes. Shapes of one label and `group_id` are one object, to which points of the
    group belong. Polylines and cuboids are rejected. Pixels are ignored for a label where it has only a box or a rejected
    shape, and for all labels under one such as `ignore`.

    Parameters
    ----------
    source : Path
        The XML file, or a folder with `annotations.xml`.
    folder : Path
        The data set to make.
    images : Path, optional
        Folder of the images; by default `images/` beside the XML, or its own folder.
    in_place : bool
        Refer to the images instead of copying them.
    group_by : str or Path, optional
        What images belong together: see `pipeline.datasets.grouping.grouped_writer`.
    exif : "apply" or "ignore"
        Images upright or as stored: see `grouped_writer`. CVAT shows and measures them upright.
    progress : callable, optional
        Called with the number of images done and of all images.

    Raises
    ------
    InputError
        If there is no such file, it is no XML or declares a document type (and so entities), or nothing can be used.
    """
    path = Path(source) / "annotations.xml" if Path(source).is_dir() else Path(source)
    root = read_xml(path)
    rows = list(root.iter("image"))
    if not rows and root.find("track") is not None:
        raise InputError(f"{path} is in the format of CVAT for video (tracks); export the task as CVAT for images 1.1")
    pixels = Path(images) if images is not None else path.parent / "images"
    if images is None and not pixels.is_dir():
        pixels = path.parent
    how = {"reader": "cvat", "path": str(path), "images": str(pixels)}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        for row in told(rows, progress):
            try:
                _add(row, pixels, writer)
            except BadRowError as bad:
                writer.reject(f"image {row.get('name', '')}", str(bad))


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file; InputError if it is none or has a document type, whose entities might grow without end."""

    def refuse(*_: object) -> None:
        raise InputError(f"{path} declares a document type, which annotations do not need; remove it")

    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except FileNotFoundError:
        raise InputError(f"no file {path}; give CVAT's annotations.xml or its folder") from None
    except (expat.ExpatError, OSError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not XML: {error}") from error


def _add(row: ElementTree.Element, pixels: Path, writer: DatasetWriter) -> None:
    name = row.get("name", "")
    path = join_inside(pixels, name)
    if writer.has_image(name):
        raise BadRowError(f"{name!r} is in an earlier row already")
    size = _whole(row, "height"), _whole(row, "width")
    image = writer.image(path, name=name, split=row.get("subset") or None, size=size)
    if image is None:
        return
    shapes = Shapes(writer, image)
    for place, shape in enumerate(row):
        try:
            if shape.tag == "skeleton":
                for point in shape:
                    _draw(point, f"shape {place}", shapes)
            elif shape.tag == "tag":
                writer.attribute(image, "tag", _label(shape))
            else:
                _draw(shape, f"shape {place}", shapes)
        except BadRowError as bad:
            writer.reject(f"{shape.tag} {place} of {name}", str(bad))
            if shape.get("label") and shape.tag not in ("points", "skeleton", "tag"):
                shapes.lost(shape.get("label", ""), _extent(shape))
    shapes.write()


def _extent(shape: ElementTree.Element) -> Points:
    """Return points whose extent a shape has, none if they cannot be read."""
    try:
        if shape.tag == "mask":
            left, top, width, height = (_whole(shape, name) for name in ("left", "top", "width", "height"))
            return [(left, top), (left + width, top + height)]
        if shape.tag == "box":
            return _corners(shape)
        if shape.tag == "ellipse":
            x, y, rx, ry = _ellipse(shape)
            return _turned(((x - rx, y - ry), (x + rx, y - ry), (x + rx, y + ry), (x - rx, y + ry)), _turn(shape))
        return _points(shape.get("points", ""))
    except BadRowError:
        return []


def _label(shape: ElementTree.Element) -> str:
    if not shape.get("label"):
        raise BadRowError("it has no label")
    return shape.get("label", "")


def _whole(row: ElementTree.Element, name: str) -> int:
    value = number(row.get(name, ""))
    if value != int(value):
        raise BadRowError(f"{name} {row.get(name)!r} is not a whole number")
    return int(value)


def _points(text: str) -> Points:
    pairs = [pair.split(",") for pair in text.split(";") if pair]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise BadRowError(f"the points {text[:40]!r} are not x,y;x,y;...")
    return [(number(x), number(y)) for x, y in pairs]


def _draw(shape: ElementTree.Element, alone: str, shapes: Shapes) -> None:
    label, group = _label(shape), shape.get("group_id") or ""
    group = alone if group in ("", "0") else f"group {group}"
    if shape.tag == "polygon":
        shapes.polygon(label, _points(shape.get("points", "")), group)
    elif shape.tag == "points":
        if shape.get("outside", "0") != "1" and shape.get("occluded", "0") != "1":
            for x, y in _points(shape.get("points", "")):
                shapes.point(label, x, y, group)
    elif shape.tag == "box":
        shapes.box(label, _corners(shape), group)
    elif shape.tag == "ellipse":
        x, y, rx, ry = _ellipse(shape)
        shapes.ellipse(label, x, y, (rx, ry), _turn(shape), group)
    elif shape.tag == "mask":
        left, top, width, height = (_whole(shape, name) for name in ("left", "top", "width", "height"))
        shapes.mask(label, _runs(shape.get("rle", ""), height, width, shapes), left, top, group)
    else:
        raise BadRowError(f"a {shape.tag} covers no area")


def _turn(shape: ElementTree.Element) -> float:
    return number(shape.get("rotation", "0"))


def _corners(shape: ElementTree.Element) -> Points:
    x0, y0, x1, y1 = (number(shape.get(name, "")) for name in ("xtl", "ytl", "xbr", "ybr"))
    return _turned(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), _turn(shape))


def _ellipse(shape: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, rx, ry = (number(shape.get(name, "")) for name in ("cx", "cy", "rx", "ry"))
    return x, y, rx, ry


def _turned(corners: Points, degrees: float) -> Points:
    """Turn corners clockwise about their middle."""
    if not degrees:
        return corners
    angle, middle = math.radians(degrees), np.mean(corners, axis=0)
    across, down = (np.asarray(corners) - middle).T
    xs = middle[0] + across * math.cos(angle) - down * math.sin(angle)
    ys = middle[1] + across * math.sin(angle) + down * math.cos(angle)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _runs(text: str, height: int, width: int, shapes: Shapes) -> np.ndarray:
    """Decode run lengths along the rows, the first of zeros."""
    try:
        counts = [int(run) for run in text.split(",")]
    except ValueError:
        raise BadRowError("its run lengths are not whole numbers") from None
    rows, columns = shapes.writer.size(shapes.image)
    if not (0 < height <= rows and 0 < width <= columns) or min(counts) < 0 or sum(counts) != height * width:
        raise BadRowError(f"its run lengths add up to {sum(counts)} pixels, its box is {height} x {width}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
