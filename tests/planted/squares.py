"""Grey images with a red square, which `networks.classifier` looks at, under names that try to break a page."""

from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.planted.hostile import CONCEPT, FILE
from tests.planted.networks import SIZE

#: Names of the classes of `classifier`; two share one.
NAMES = ("crane", "<img src=x onerror=alert(4)>", "crane", "stripes")
#: The image that shows no square.
EMPTY = 2
_SIDE = 8


def write_squares(folder: Path, images: int = 8) -> list[tuple[int, int]]:
    """Write images and the names of the classes, ``classes.csv`` beside the folder; return where squares begin."""
    random, places = np.random.default_rng(0), []
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        concept = out.concept(CONCEPT, "part")
        for number in range(images):
            top, left = (int(at) for at in random.integers(1, SIZE - _SIDE - 1, 2))
            pixels, here = np.full((SIZE, SIZE, 3), 100, np.uint8), np.zeros((SIZE, SIZE), bool)
            here[top : top + _SIDE, left : left + _SIDE] = number != EMPTY
            pixels[here] = (255, 0, 0)
            path = folder.parent / f"square-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path, name=FILE.format(number))
            if number != EMPTY:
                out.segment(image, concept, here)
            places.append((top, left))
    rows = (f'{index},"{name}"' for index, name in enumerate(NAMES))
    (folder.parent / "classes.csv").write_text("\n".join(rows) + "\n")
    return places
