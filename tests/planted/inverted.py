"""Networks that lose what is known, and drawn images on which an inverter must find what."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from filterscope.pipeline.datasets.layout import DatasetWriter

#: Height and width of the images, and of their squares.
SIDE, SQUARE = 16, 6
GREY = (0.299, 0.587, 0.114)
#: Colours of the squares: the first two are equally light, and so are the others.
COLOURS = ((0.9, 0.2, 0.3), (0.0972, 0.6, 0.35), (0.3, 0.9, 0.9), (0.9888, 0.55, 0.9))
GROUND = 0.1


def entry(factory: str) -> dict[str, object]:
    """Return the entry of a configuration for one of these networks, which sees pixels from 0 to 1 as they are."""
    source = f"factory:tests.planted.inverted:{factory}"
    return {"source": source, "name": factory, "input_size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3}


def source(factory: str) -> str:
    """Return the same as one text."""
    return f"factory:tests.planted.inverted:{factory};input_size={SIDE};mean=0,0,0;std=1,1,1"


def unfolded() -> nn.Module:
    """Lose nothing: pixels side by side, and their channels turned."""
    turn = nn.Conv2d(12, 12, 1, bias=False)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    turn.weight.data = torch.from_numpy(basis).float()[:, :, None, None]
    return nn.Sequential(nn.PixelUnshuffle(2), turn)


def luminance() -> nn.Module:
    """Lose colour: one unit, the grey value."""
    grey = nn.Conv2d(3, 1, 1, bias=False)
    grey.weight.data = torch.tensor(GREY)[None, :, None, None]
    return nn.Sequential(grey)


def overall() -> nn.Module:
    """Lose place: the mean colour of the whole image."""
    turn = nn.Conv2d(3, 3, 1, bias=False)
    turn.weight.data = torch.eye(3)[:, :, None, None]
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), turn)


def drawn(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images uint8 (n, SIDE, SIDE, 3) of a square of one of the colours, with its colour and its place (n, 2)."""
    random = np.random.default_rng(seed)
    pixels = np.full((images, SIDE, SIDE, 3), GROUND)
    colour, place = random.integers(len(COLOURS), size=images), random.integers(0, SIDE - SQUARE + 1, (images, 2))
    for number, (row, column) in enumerate(place):
        pixels[number, row : row + SQUARE, column : column + SQUARE] = COLOURS[colour[number]]
    return (pixels * 255).round().astype(np.uint8), colour, place


def write_squares(folder: Path, images: int = 600, seed: int = 0) -> Path:
    """Write such images as a data set; their colour is their class."""
    files = folder.parent / f"{folder.name}-images"
    files.mkdir(parents=True)
    pixels, colour, _ = drawn(images, seed)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number, picture in enumerate(pixels):
            path = files / f"{number:04}.png"
            Image.fromarray(picture).save(path)
            out.attribute(out.image(path), "class", str(colour[number]))
    return folder
