"""Crops of 64 pixels with a red dot, whose place is known and which `network` and `two_layers` follow."""

from collections.abc import Container
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import NEGATIVE, DatasetWriter
from tests.planted.networks import entry

#: Crops that `write_dots` and `write_animals` write.
DOTS, ANIMALS = 30, 42
#: Layers of `two_layers`.
LOWER, UPPER = "1", "3"
#: Settings of an audit that learns the graph of the animals.
GRAPH = {
    "models": [entry("two_layers")],
    "layers": f"{LOWER},{UPPER}",
    "metrics": "graph",
    "views": "objects:bird",
    "flips": True,
    "negatives": True,
    "graph_iterations": 4,
}


def write_dots(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write crops of 64 pixels with a red dot; a landmark near it, seen twice in one crop and outside of another."""
    rng = np.random.default_rng(0)
    dots, marks = rng.integers(4, 28, (DOTS, 2)), rng.normal(0, 5, (DOTS, 2))
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number, ((row, column), away) in enumerate(zip(dots.tolist(), marks.tolist(), strict=True)):
            pixels = np.full((96, 96, 3), 120, np.uint8)
            pixels[16 + 2 * row : 18 + 2 * row, 16 + 2 * column : 18 + 2 * column] = (255, 0, 0)
            path = folder.parent / f"dot-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            animal = out.object(image, "bird", (16, 16, 80, 80))
            y, x = 16.5 + 2 * row + away[0], 16.5 + 2 * column + away[1]
            out.landmark(image, animal, "dot", 90.0 if number == 1 else x, y)
            if number == 0:
                out.landmark(image, animal, "dot", 40, 40)
                out.landmark(image, animal, "rare", 40, 40)
    return dots, dots + marks / 2


def write_animals(
    folder: Path,
    *,
    animals: int = ANIMALS,
    negatives: int = 4,
    unmarked: Container[int] = (),
    twice: Container[int] = (),
) -> None:
    """Write crops with a red dot that moves about the middle, marked by a landmark, and negatives of red noise.

    Animals `unmarked` have no landmark, those of `twice` have it in two places.
    """
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number in range(animals):
            pixels = np.full((96, 96, 3), 120, np.uint8)
            row, column = np.clip(rng.normal(15, 3, 2).round(), 2, 29).astype(int).tolist()
            pixels[16 + 2 * row : 18 + 2 * row, 16 + 2 * column : 18 + 2 * column] = (255, 0, 0)
            Image.fromarray(pixels).save(folder.parent / f"dot-{number}.png")
            image = out.image(folder.parent / f"dot-{number}.png")
            animal = out.object(image, "bird", (16, 16, 80, 80))
            if number not in unmarked:
                out.landmark(image, animal, "dot", 16.5 + 2 * column, 16.5 + 2 * row)
            if number in twice:
                out.landmark(image, animal, "dot", 20, 20)
        for number in range(negatives):
            path = folder.parent / f"negative-{number}.png"
            Image.fromarray(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(path)
            out.image(path, split=NEGATIVE)


def write_birds(folder: Path, *, birds: int = 60, boxes: bool = True) -> None:
    """Write crops with a red dot left or right of a moving middle; its landmark lies above the dot, where nothing is."""
    rng = np.random.default_rng(3)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number in range(birds):
            pixels = np.full((96, 96, 3), 120, np.uint8)
            row, column = np.clip(rng.normal(17, 3, 2).round(), 8, 27).astype(int).tolist()
            pixels[16 + 2 * row : 18 + 2 * row, 16 + 2 * column : 18 + 2 * column] = (255, 0, 0)
            Image.fromarray(pixels).save(folder.parent / f"bird-{number}.png")
            image = out.image(folder.parent / f"bird-{number}.png")
            bird = out.object(image, "bird", (16, 16, 80, 80))
            out.landmark(image, bird, "above", 16.5 + 2 * column, 10.5 + 2 * row, (6, 8) if boxes else None)
            if number == 0:
                out.landmark(image, bird, "rare", 20, 20)
        for number in range(3):
            path = folder.parent / f"negative-{number}.png"
            Image.fromarray(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(path)
            out.image(path, split=NEGATIVE)
