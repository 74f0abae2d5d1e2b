"""Drawn animals of two categories, each with a head and a tail that jitter, and images without any."""

from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import NEGATIVE, DatasetWriter

SIDE = 64
_COLOURS = {"red bird": ((230, 40, 40), (230, 200, 40)), "blue fish": ((40, 60, 230), (40, 220, 220))}


def write_animals(folder: Path, *, images: int = 18, negatives: int = 9, seed: int = 0) -> Path:
    """Write a data set of `images` drawn animals and of `negatives`; return it."""
    rng = np.random.default_rng(seed)
    files = folder.parent / f"{folder.name}-images"
    files.mkdir(parents=True)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number in range(images + negatives):
            pixels = rng.integers(90, 150, (SIDE, SIDE, 3)).astype(np.uint8)
            category = list(_COLOURS)[number % 2]
            places = rng.integers(2, 20, 2), rng.integers(36, 54, 2)
            if number < images:
                for (row, column), colour in zip(places, _COLOURS[category], strict=True):
                    pixels[row : row + 8, column : column + 8] = colour
            path = files / f"{number:04}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path, split=NEGATIVE if number >= images else "train")
            if number < images:
                animal = out.object(image, category, (0.0, 0.0, float(SIDE), float(SIDE)))
                for (row, column), name in zip(places, ("head", "tail"), strict=True):
                    out.landmark(image, animal, name, column + 3.5, row + 3.5)
    return folder
