"""What a COCO segmentation covers: polygons, or run lengths down the columns, plain or compressed."""

import math
from typing import Annotated, Any

import numpy as np
from pycocotools import mask as rle
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt

from filterscope.pipeline.datasets.reading import BadRowError

#: x, y, x, y, ... in pixels; 0 is the left or top edge of the first pixel. Four numbers would pass for a box.
Polygon = Annotated[list[FiniteFloat], Field(min_length=6)]


class RunLengths(BaseModel):
    """Lengths of alternating runs of zeros and ones down the columns, or pycocotools' text of them."""

    size: tuple[int, int]
    counts: list[NonNegativeInt] | str


def read_counts(text: str) -> list[int]:
    """Read compressed run lengths: 5 bits per character, low bits first, from the third on as differences two back."""
    counts: list[int] = []
    value = shift = 0
    for code in text.encode():
        bits = code - 48
        if not 0 <= bits < 64:
            raise BadRowError(f"the run lengths have a character {chr(code)!r}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            signed = value - (1 << shift) if bits & 16 else value
            counts.append(signed + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def encode_region(segmentation: list[list[float]] | RunLengths, height: int, width: int) -> dict[str, Any]:
    """Return the pycocotools mask of a segmentation of an image of height x width.

    Raises
    ------
    BadRowError
        If it is malformed, made for another size, or covers no pixel.
    """
    if isinstance(segmentation, RunLengths):
        mask = _encode_runs(segmentation, height, width)
    else:
        mask = _encode_polygons(segmentation, height, width)
    if rle.area(mask) == 0:
        raise BadRowError("the segmentation covers no pixel of the image")
    return mask


def _encode_runs(runs: RunLengths, height: int, width: int) -> dict[str, Any]:
    if runs.size != (height, width):
        raise BadRowError(f"run lengths for {runs.size[0]} x {runs.size[1]}, image {height} x {width} (height x width)")
    counts = read_counts(runs.counts) if isinstance(runs.counts, str) else runs.counts
    # pycocotools decodes what the runs leave out as whatever the memory holds.
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise BadRowError(f"the run lengths add up to {sum(counts)} pixels, the image has {height * width}")
    return rle.frPyObjects({"size": [height, width], "counts": counts}, height, width)


def _encode_polygons(polygons: list[list[float]], height: int, width: int) -> dict[str, Any]:
    for polygon in polygons:
        if len(polygon) % 2:
            raise BadRowError(f"a polygon has {len(polygon)} numbers, an odd count")
        # The fill walks along the outline: its time and memory grow with the coordinates.
        for limit, values in ((width, polygon[::2]), (height, polygon[1::2])):
            if min(values) < -limit or max(values) > 2 * limit:
                raise BadRowError(f"a polygon lies far outside the image of {height} x {width} (height x width)")
    return rle.merge(rle.frPyObjects(polygons, height, width)) if polygons else {"size": [height, width], "counts": b""}


def clip_box(box: tuple[float, float, float, float], height: int, width: int) -> tuple[float, float, float, float]:
    """Turn x, y, width, height into x0, y0, x1, y1, cut at the edges of the image."""
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = min(box[0] + box[2], float(width)), min(box[1] + box[3], float(height))
    if x1 <= x0 or y1 <= y0:
        raise BadRowError(f"the box {list(box)} has no area inside the image of {height} x {width} (height x width)")
    return x0, y0, x1, y1


def box_pixels(box: tuple[float, float, float, float], height: int, width: int) -> np.ndarray:
    """Return the pixels that a box (x0, y0, x1, y1; x1 and y1 outside) covers at least in part: bool, shape (height, width)."""
    pixels = np.zeros((height, width), bool)
    x0, y0 = (max(math.floor(value), 0) for value in box[:2])
    pixels[y0 : max(math.ceil(box[3]), 0), x0 : max(math.ceil(box[2]), 0)] = True
    return pixels
