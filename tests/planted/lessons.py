"""Drawn images whose class, colour and size a small network can learn."""

from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter

SIDE = 24
#: What `train_settings` of the tests ask of the recipe `plain`.
QUICK = {"input_size": SIDE, "epochs": 3, "batch": 32, "held_out": 0.25}


def write_lesson(folder: Path, *, images: int = 96, seed: int = 0, labels: bool = True, broken: int = 0) -> Path:
    """Write images of a red or green square, small or large, on noise; return the data set.

    The class is the colour; the attributes `red` and `large` are binary, and `large` is not stated of every fifth image. The
    last `broken` images are damaged after they were imported.
    """
    rng = np.random.default_rng(seed)
    files = folder.parent / f"{folder.name}-images"
    files.mkdir(parents=True)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number in range(images):
            red, large = rng.random(2) < 0.5
            pixels = rng.integers(60, 140, (SIDE, SIDE, 3)).astype(np.uint8)
            side = 14 if large else 6
            row, column = rng.integers(0, SIDE - side, 2)
            pixels[row : row + side, column : column + side] = (230, 30, 30) if red else (30, 230, 30)
            path = files / f"{number:04}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            if labels:
                out.attribute(image, "class", "red" if red else "green")
            out.attribute(image, "red", str(int(red)))
            if number % 5:
                out.attribute(image, "large", str(int(large)))
    for path in sorted((folder / "images").rglob("*.png"))[images - broken :]:
        path.write_bytes(b"no image")
    return folder
