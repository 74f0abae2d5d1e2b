"""Portraits by the painters of the drawn sample: a person before a house, a tree and a car, every attribute in sight.

Small enough to train on in seconds; paired attributes go together as often as asked, as in `filterscope sample --cooccurrence`.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.sample.backdrops import surface_of
from filterscope.pipeline.datasets.sample.buildings import house
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.finish import photographed
from filterscope.pipeline.datasets.sample.paint import flat
from filterscope.pipeline.datasets.sample.people import person
from filterscope.pipeline.datasets.sample.plants import tree
from filterscope.pipeline.datasets.sample.shapes import box
from filterscope.pipeline.datasets.sample.stage import Stage
from filterscope.pipeline.datasets.sample.traits import PAIRS, TIME, draw_traits
from filterscope.pipeline.datasets.sample.vehicles import car

if TYPE_CHECKING:
    import torch
    from torch import nn

#: Height and width of a portrait as networks see it.
SIDE = 48
#: The attributes: each is whether a trait has its first value.
ATTRIBUTES = tuple(name for pair in PAIRS for name in (pair.first, pair.second))
#: The pairs that are planted, by place in `ATTRIBUTES`.
PLANTED = tuple((2 * k, 2 * k + 1) for k in range(len(PAIRS)))
#: Boxes in parts of the picture: x0, y0, x1, y1.
HAIR, MOUTH = (0.28, 0.15, 0.72, 0.38), (0.36, 0.56, 0.64, 0.72)


@cache
def portraits(seed: int, count: int, cooccurrence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` portraits, uint8 of shape (count, SIDE, SIDE, 3), and their labels, int8 of shape (count, 6)."""
    drawn = [portrait(seed, index, cooccurrence) for index in range(count)]
    return np.stack([pixels for pixels, _ in drawn]), np.stack([labels for _, labels in drawn])


def portrait(seed: int, index: int, cooccurrence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return one portrait and its labels."""
    dice, canvas = Dice(seed, index), Canvas()
    traits = {**draw_traits(dice, cooccurrence), TIME: "day"}
    stage = Stage(canvas, dice, traits)
    stage.outdoors(100)
    surface_of(canvas, "grass", box(0, 100, SIZE, SIZE), flat((110, 150, 80)))
    canvas.place(house(dice, traits), 40, 130, 105)
    canvas.place(tree(dice, traits), 192, 132, 120)
    canvas.place(car(dice, traits), 178, 216, 70)
    x, y = 112 + dice.between(-4, 4), SIZE + 30 + dice.between(-4, 4)
    canvas.place(person(dice, traits), x, y, 215)
    pixels = Image.fromarray(photographed(canvas.pixels, dice, canvas.attributes)).resize(
        (SIDE, SIDE), Image.Resampling.BOX
    )
    labels = [
        traits[name] == values[0]
        for pair in PAIRS
        for name, values in ((pair.first, pair.first_values), (pair.second, pair.second_values))
    ]
    return np.asarray(pixels), np.array(labels, np.int8)


def build() -> "nn.Module":
    """Return a small network of six outputs that sees portraits; `layer` 8 is its last map before pooling."""
    from torch import nn

    def block(before: int, after: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *block(3, 16, 2), *block(16, 32, 2), *block(32, 32, 1),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 36, 32), nn.ReLU(), nn.Linear(32, len(ATTRIBUTES)),
    )  # fmt: skip


def trained(pixels: np.ndarray, labels: np.ndarray, seed: int) -> "dict[str, torch.Tensor]":
    """Return the weights of `build` after 15 epochs on portraits."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.manual_seed(seed)
    module, generator = build(), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    targets = torch.from_numpy(labels).float()
    for _ in range(15):
        for rows in torch.randperm(len(inputs), generator=generator).split(32):
            loss = binary_cross_entropy_with_logits(module(inputs[rows]), targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {name: value.contiguous() for name, value in module.state_dict().items()}


def write_portraits(folder: Path, seed: int, count: int, cooccurrence: float) -> None:
    """Write portraits with their attributes as a data set."""
    pixels, labels = portraits(seed, count, cooccurrence)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number, (picture, row) in enumerate(zip(pixels, labels, strict=True)):
            path = folder.parent / f"{folder.name}-{number}.png"
            Image.fromarray(picture).save(path)
            image = out.image(path, name=f"{number:04d}.png")
            assert image is not None
            for name, value in zip(ATTRIBUTES, row.tolist(), strict=True):
                out.attribute(image, name, str(value))


def write_names(path: Path, names: Sequence[str] = ATTRIBUTES) -> Path:
    """Write the names of outputs as `classes` of a model takes them."""
    path.write_text("".join(f"{number},{name}\n" for number, name in enumerate(names)))
    return path


def entry(name: str, weights: Path, classes: Path) -> dict[str, Any]:
    """Return the entry of a configuration for `build` with these weights."""
    return {
        "source": f"factory:tests.planted.portraits:build@{weights}",
        "name": name,
        "input_size": SIDE,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "nearest",
        "classes": str(classes),
    }
