"""Images of three kinds, and a network that scores each kind by filters of its own: what a decision tree must find.

An image of kind m shows a square in the first colour of m, its head, and one in the second, its legs; of other sizes each time.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.planted.networks import SIZE

#: Colours of head and legs of each kind.
COLOURS = (((1, 0, 0), (0, 1, 1)), ((0, 1, 0), (1, 0, 1)), ((0, 0, 1), (1, 1, 0)))
#: Weights of head and legs of each kind in the score.
WEIGHTS = ((1.0, 0.5), (0.6, 1.2), (0.9, 0.9))


class _Gated(nn.Module):
    """The sum of three gated sums of pooled filters, and a second class of constant score."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.full((3, 6), -2.0)
        for kind, own in enumerate(WEIGHTS):
            weight[kind, 2 * kind : 2 * kind + 2] = torch.tensor(own)
        self.register_buffer("weight", weight)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, 6, H, W) to (N, 2)."""
        gated = torch.relu(100 * maps.mean((2, 3)) @ self.weight.T).sum(1)
        return torch.stack([gated, torch.full_like(gated, 0.8)], 1)


def modes() -> nn.Module:
    """Unit 2 m fires on the first colour of kind m, unit 2 m + 1 on the second; class 0 is scored by what kinds show."""
    conv = nn.Conv2d(3, 6, 1)
    colours = torch.tensor(COLOURS, dtype=torch.float32).view(6, 3)
    with torch.no_grad():
        conv.weight[:] = (2 * colours - 1)[:, :, None, None]
        conv.bias[:] = 0.5 - colours.sum(1)
    return nn.Sequential(conv, nn.ReLU(), _Gated())


def write_modes(
    folder: Path, *, seed: int = 0, per: int = 15, masks: bool = False, backwards: bool = False
) -> np.ndarray:
    """Write images with small squares as negatives; return the kind of each image, -1 of negatives.

    Head and legs are landmarks, or with `masks` concepts of the category part. `backwards` writes the same images in reverse.
    """
    random = np.random.default_rng(seed)
    kinds = random.permutation(np.append(np.repeat(np.arange(3), per), np.full(2 * per, -1)))
    drawn = [(kind, *_draw(random, kind)) for kind in kinds.tolist()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        numbers = [out.concept(name, "part") for name in ("head", "legs")] if masks else []
        for number, (_, pixels, places) in enumerate(drawn[::-1] if backwards else drawn):
            path = folder.parent / f"{folder.name}-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            for part, (y, x, side) in enumerate(places):
                here = np.zeros((SIZE, SIZE), bool)
                here[y : y + side, x : x + side] = True
                if masks:
                    out.segment(image, numbers[part], here)
                else:
                    out.landmark(image, None, ("head", "legs")[part], x + (side - 1) / 2, y + (side - 1) / 2)
    return kinds[::-1] if backwards else kinds


def _draw(random: np.random.Generator, kind: int) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    pixels, places = np.zeros((SIZE, SIZE, 3), np.uint8), []
    shown = kind if kind >= 0 else int(random.integers(3))
    for part in range(2):
        side = int(random.integers(5, 9)) if kind >= 0 else 2
        y, x = int(random.integers(0, 8)) + 16 * part, int(random.integers(0, SIZE - side))
        pixels[y : y + side, x : x + side] = 255 * np.array(COLOURS[shown][part])
        places.append((y, x, side))
    return pixels, places
