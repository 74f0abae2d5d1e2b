"""Drawn bars of four kinds, which a small generator learns to tell without labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter

SIDE = 16
KINDS = ("across", "down", "falling", "rising")


def drawn_bars(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return bars (uint8, shape (n, 16, 16)) of 2 to 4 pixels on dark ground, about the middle, and their kind (int64)."""
    rng = np.random.default_rng(seed)
    kind, half, shift = rng.integers(4, size=images), rng.uniform(1.0, 2.0, images), rng.uniform(-1.5, 1.5, images)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    lines = np.stack([y, x, (y - x) / np.sqrt(2), (y + x) / np.sqrt(2)])[kind]
    away = np.abs(lines - shift[:, None, None]) - half[:, None, None]
    return (255 * np.clip(0.5 - away, 0, 1)).astype(np.uint8), kind


def write_bars(folder: Path, images: int = 640) -> Path:
    """Write them as a data set, with their kind as the class; return it."""
    files = folder.parent / f"{folder.name}-images"
    files.mkdir(parents=True)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number, (pixels, kind) in enumerate(zip(*drawn_bars(images), strict=True)):
            path = files / f"{number:04}.png"
            Image.fromarray(pixels).save(path)
            out.attribute(out.image(path), "class", KINDS[kind])
    return folder
