"""Objects of two labelled parts, one above the other or side by side, on black."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filterscope.pipeline.datasets.sample.dice import Dice

SIDE = 64
CLASSES = ("stacked", "beside")
#: Parts in order: above or left first.
PARTS = {"plain part": (200, 90, 60), "striped part": (70, 130, 220)}

Box = tuple[int, int, int, int]


class Composed(NamedTuple):
    """An object: pixels uint8 (64, 64, 3), factors, and the box (x0, y0, x1, y1, ends outside) of each part."""

    pixels: NDArray[np.uint8]
    factors: dict[str, str]
    parts: dict[str, Box]


def draw(dice: Dice) -> Composed:
    """Draw an object; its factors are class, width, height, x and y of its corner, and split, the share of the first part."""
    kind = CLASSES[dice.below(len(CLASSES))]
    width, height = dice.between(20, 40), dice.between(20, 40)
    x, y = dice.between(2, SIDE - 42), dice.between(2, SIDE - 42)
    split = dice.between(30, 70)
    if kind == "stacked":
        cut = y + height * split // 100
        boxes = (x, y, x + width, cut), (x, cut, x + width, y + height)
    else:
        cut = x + width * split // 100
        boxes = (x, y, cut, y + height), (cut, y, x + width, y + height)
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    for (name, colour), (x0, y0, x1, y1) in zip(PARTS.items(), boxes, strict=True):
        pixels[y0:y1, x0:x1] = colour
        if name == "striped part":
            pixels[y0:y1:4, x0:x1] = 255
    factors = {"width": width, "height": height, "x": x, "y": y, "split": split / 100}
    stated = {"class": kind, **{name: f"{value:g}" for name, value in factors.items()}}
    return Composed(pixels, stated, dict(zip(PARTS, boxes, strict=True)))


__all__ = ["CLASSES", "PARTS", "SIDE", "Composed", "draw"]
