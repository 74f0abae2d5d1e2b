"""Reader of Pascal-Part: masks of objects and of their parts in MATLAB files, on the images of PASCAL VOC 2010.

References
----------
Chen et al. Detect what you can: detecting and representing objects using holistic models and body parts. CVPR 2014.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import SUFFIXES
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.matlab import read_variable, structs, text
from filterscope.pipeline.datasets.reading import BadRowError, Progress, join_inside, refuse_leaving, told
from filterscope.pipeline.engine.errors import InputError
from filterscope.schemas.parts import PART_MERGES


@dataclass(frozen=True)
class _Part:
    name: str
    mask: np.ndarray


@dataclass(frozen=True)
class _Object:
    category: str
    mask: np.ndarray
    parts: list[_Part]


def import_pascal_part(
    source: Path,
    folder: Path,
    *,
    images: Path | None = None,
    merge: bool = True,
    in_place: bool = False,
    group_by: str | Path | None = None,
    exif: str = "ignore",
    progress: Progress | None = None,
) -> None:
    """Import Pascal-Part.

    Objects are concepts of the category object, with the extent of their mask as box. Parts are concepts of the category
    part, named after object and part (`bird head`); for the categories in `schemas.parts.PART_MERGES` they are merged as
    there. The centre of the extent of every annotated part is a landmark of its object, unmerged. Numbers of repeated
    parts (`wheel_2`) are dropped, so that one object may have several landmarks of a name.

    Parameters
    ----------
    source : Path
        Folder with the MATLAB files, or the one that holds it as `Annotations_Part/`.
    folder : Path
        The data set to make.
    images : Path, optional
        Folder of the images, by default `JPEGImages/` beside the annotations.
    merge : bool
        Merge parts; otherwise the annotated parts are the concepts.
    in_place : bool
        Refer to the images instead of copying them.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Told the numbers of images done and of all.

    Raises
    ------
    InputError
        If there are no annotations or no folder of images.
    """
    source = Path(source)
    annotations = source / "Annotations_Part" if (source / "Annotations_Part").is_dir() else source
    files = sorted(annotations.glob("*.mat"))
    if not files:
        raise InputError(f"{annotations} has no .mat file; give the folder of Annotations_Part")
    places = (source / "JPEGImages", annotations.parent / "JPEGImages", annotations.parent / "images")
    pixels = Path(images) if images is not None else next((place for place in places if place.is_dir()), places[0])
    if not pixels.is_dir():
        raise InputError(f"no folder {pixels}; name the folder JPEGImages of VOC 2010 with --images")
    root = annotations.parent if images is None else pixels
    how = {"reader": "pascal-part", "path": str(source), "images": str(pixels), "merge": merge}
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        for file in told(files, progress):
            try:
                _add(refuse_leaving(file, annotations), pixels, root, merge, writer)
            except BadRowError as bad:
                writer.reject(file.name, str(bad))


def _add(file: Path, pixels: Path, root: Path, merge: bool, writer: DatasetWriter) -> None:
    name, objects = read_annotation(file)
    file_name = next((name + s for s in SUFFIXES if join_inside(pixels, name + s, root=root).is_file()), None)
    if file_name is None:
        raise BadRowError(f"no image {name} in {pixels.name}/")
    if writer.has_image(file_name):
        raise BadRowError(f"the image {file_name} has annotations already")
    image = writer.image(pixels / file_name, name=file_name)
    if image is None:
        return
    size = writer.size(image)
    fits = [{item.mask.shape, *(part.mask.shape for part in item.parts)} == {size} for item in objects]
    fitting, others = (list(compress(objects, (fit is wanted for fit in fits))) for wanted in (True, False))
    if others:
        shapes = {mask.shape for item in others for mask in (item.mask, *(part.mask for part in item.parts))}
        height, width = min(shapes - {size})
        turned = writer.exif_hint((height, width), size, writer.tag(image))
        writer.reject(file.name, f"{len(others)} objects have masks of another size than the image{turned}")
        for item in others:
            for concept in (item.category, *(name for _, name, _ in _part_concepts(item, merge))):
                writer.ignore(image, None, concept=concept)
    _add_objects(image, fitting, writer)
    for category, concepts in _labelled(fitting, merge).items():
        for concept, mask in concepts.items():
            writer.segment(image, writer.concept(concept, category), mask)


def _add_objects(image: int, objects: list[_Object], writer: DatasetWriter) -> None:
    for item in objects:
        if not item.mask.any():
            writer.reject(f"{item.category} of image {image}", "its mask is empty")
            continue
        number = writer.object(image, item.category, _extent(item.mask))
        for part in item.parts:
            if part.mask.any():
                x0, y0, x1, y1 = _extent(part.mask)
                centre = (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2
                writer.landmark(image, number, part.name, *centre, (x1 - x0, y1 - y0))


def _labelled(objects: list[_Object], merge: bool) -> dict[str, dict[str, np.ndarray]]:
    """Return the pixels of each concept in an image: all its objects, all their parts."""
    concepts: dict[str, dict[str, np.ndarray]] = {"object": {}, "part": {}}
    for item in objects:
        for category, name, mask in (("object", item.category, item.mask), *_part_concepts(item, merge)):
            known = concepts[category]
            known[name] = known[name] | mask if name in known else mask
    return concepts


def _part_concepts(item: _Object, merge: bool) -> Iterator[tuple[str, str, np.ndarray]]:
    merges = PART_MERGES.get(item.category) if merge else None
    merged: dict[str, list[str]] = defaultdict(list)
    for name, members in (merges or {}).items():
        for member in members:
            merged[member].append(name)
    for part in item.parts:
        for name in [part.name] if merges is None else merged[part.name]:
            yield "part", f"{item.category} {name}", part.mask


def _extent(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def read_annotation(file: Path) -> tuple[str, list[_Object]]:
    """Read one MATLAB file: name of the image, and its objects with their parts. Nothing in it is ever executed.

    Raises
    ------
    BadRowError
        If the file cannot be read or has another structure.
    """
    try:
        (root,) = structs(read_variable(file, "anno"))
        return text(root["imname"]), [_object(item) for item in structs(root["objects"])]
    except (BadRowError, KeyError, ValueError) as error:
        reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise BadRowError(f"not an annotation of Pascal-Part: {reason}") from error


def _object(item: dict[str, Any]) -> _Object:
    parts = [_Part(re.sub(r"_\d+$", "", text(p["part_name"])), _mask(p["mask"])) for p in structs(item["parts"])]
    return _Object(text(item["class"]), _mask(item["mask"]), parts)


def _mask(value: Any) -> np.ndarray:
    mask = np.asarray(value)
    if mask.ndim != 2 or mask.dtype.kind not in "buif":
        raise BadRowError(f"a mask of shape {mask.shape} and type {mask.dtype}")
    return mask != 0
