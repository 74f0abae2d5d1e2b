"""Drawn images of coloured shapes, for what must be right on average over images nobody has seen."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.planted.networks import SIZE

#: Shapes are squares and discs of these colours; the first five are objects, the others parts.
_COLOURS = np.array([(220, 40, 40), (40, 200, 60), (60, 80, 230), (220, 210, 60)])
KINDS = 2 * len(_COLOURS)
_OBJECTS = 5


def write_shapes(
    folder: Path,
    *,
    images: int,
    seed: int = 0,
    group_of: Callable[[str], str | None] | None = None,
    ignore: float = 0.0,
) -> None:
    """Write images of one or more shapes on a rough ground, whose colours vary from image to image.

    Each kind of shape is a concept, from one in 12 to one in 2 images; files are called by their number. With `ignore`, that
    share of concepts and of categories has an ignored disc in each image, and one in ten of these all of the image.
    """
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder, source={"reader": "planted"}, group_of=group_of) as out:
        concepts = [out.concept(f"shape {kind}", "object" if kind < _OBJECTS else "part") for kind in range(KINDS)]
        for number in range(images):
            pixels = rng.integers(40, 200, 3) + rng.normal(0, 15, (SIZE, SIZE, 3))
            masks = {}
            for kind in np.flatnonzero(rng.random(KINDS) < np.linspace(1 / 12, 1 / 2, KINDS)):
                masks[kind] = _shape(rng, disc=bool(kind % 2))
                pixels[masks[kind]] += rng.uniform(0.3, 1) * (_COLOURS[kind // 2] - pixels[masks[kind]])
            path = folder.parent / f"{number:04}.png"
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
            image = out.image(path)
            for kind, mask in masks.items():
                out.segment(image, concepts[kind], mask)
            if ignore:
                _ignore(out, image, rng, ignore)


def _ignore(out: DatasetWriter, image: int, rng: np.random.Generator, share: float) -> None:
    for what in (
        *({"concept": f"shape {kind}"} for kind in range(KINDS)),
        *({"categories": [n]} for n in ("object", "part")),
    ):
        if rng.random() < share:
            out.ignore(image, None if rng.random() < 0.1 else _shape(rng, disc=True), **what)


def _shape(rng: np.random.Generator, *, disc: bool) -> np.ndarray:
    radius, (row, column) = rng.uniform(3, 8), rng.integers(4, SIZE - 4, 2)
    down, right = np.ogrid[:SIZE, :SIZE]
    down, right = abs(down - row), abs(right - column)
    return np.hypot(down, right) < radius if disc else np.maximum(down, right) < radius
