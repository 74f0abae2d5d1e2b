"""The planted images under names that try to break a page."""

from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.planted.networks import SIZE

#: What a concept, a category, an attribute, a landmark and an image file are called.
CONCEPT, CATEGORY = "<script>alert(1)</script>", "<i>odd</i>"
ATTRIBUTE = "<s>red</s>"
LANDMARK, FILE = "<em>dot</em>", 'it\'s "<img src=x onerror=alert(2)>"-{}.png'


def write_hostile(folder: Path, images: int = 24, *, attributes: bool = False) -> None:
    """Write grey images; every third holds a red square, every third stripes, each with a landmark near its corner.

    With attributes, each says what it is.
    """
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        red, striped = out.concept(CONCEPT, CATEGORY), out.concept("wheel rim", "part")
        grey = out.concept("grey", "color")
        for number in range(images):
            pixels = np.full((SIZE, SIZE, 3), 120, np.uint8)
            top, left = rng.integers(2, SIZE - 12, 2)
            here = np.zeros((SIZE, SIZE), bool)
            here[top : top + 10, left : left + 10] = number % 3 != 2
            if number % 3 == 0:
                pixels[here] = (255, 0, 0)
            elif number % 3 == 1:
                stripes = np.where(np.arange(SIZE) % 2, 255, 0).astype(np.uint8)
                pixels[here] = stripes[None, :, None].repeat(SIZE, 0)[here]
            path = folder.parent / f"plain-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path, name=FILE.format(number))
            assert image is not None
            if number % 3 != 2:
                out.segment(image, (red, striped)[number % 3], here)
            out.segment(image, grey, ~here)
            out.landmark(image, None, LANDMARK, float(left), float(top))
            if attributes:
                out.attribute(image, ATTRIBUTE, "yes" if number % 3 == 0 else "no")
                out.attribute(image, "kind", str(3 - number % 3))
        out.reject("<b>bad</b>.png", "<u>unreadable</u>")


def write_hostile_dots(folder: Path, crops: int = 42) -> None:
    """Write crops of hostile objects with a red dot that moves about the middle, which is a concept and a landmark."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        red = out.concept(CONCEPT, "color")
        for number in range(crops):
            pixels, here = np.full((96, 96, 3), 120, np.uint8), np.zeros((96, 96), bool)
            row, column = (16 + 2 * np.clip(rng.normal(15, 3, 2).round(), 2, 29).astype(int)).tolist()
            here[row : row + 2, column : column + 2] = True
            pixels[here] = (255, 0, 0)
            Image.fromarray(pixels).save(folder.parent / f"dot-{number}.png")
            image = out.image(folder.parent / f"dot-{number}.png", name=FILE.format(number))
            assert image is not None
            out.landmark(image, out.object(image, CATEGORY, (16, 16, 80, 80)), LANDMARK, column + 0.5, row + 0.5)
            out.segment(image, red, here)
