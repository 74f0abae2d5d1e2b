"""A network whose filters are set by hand, and images on which they must find what they were made for."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from filterscope.pipeline.datasets.layout import DatasetWriter

SIZE = 32


def network() -> nn.Module:
    """Unit 0 fires on red, unit 1 on vertical stripes of period 2, unit 2 on nothing."""
    conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate")
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, 0, 1, 1], conv.weight[0, 1, 1, 1], conv.weight[0, 2, 1, 1] = 1.0, -1.0, -1.0
        conv.weight[1, :, :, 1] = 1.0
        conv.weight[1, :, :, 0] = conv.weight[1, :, :, 2] = -0.5
        conv.bias[2] = -1.0
    return nn.Sequential(conv, nn.ReLU())


def write_dataset(folder: Path, *, images: int = 12) -> None:
    """Write grey images; every third holds a red square, every third striped ones."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        red = out.concept("red", "color")
        grey = out.concept("grey", "color")
        striped = out.concept("striped", "texture")
        for number in range(images):
            pixels = np.full((SIZE, SIZE, 3), 120, np.uint8)
            top, left = rng.integers(2, SIZE - 12, 2)
            here = np.zeros((SIZE, SIZE), bool)
            here[top : top + 10, left : left + 10] = number % 3 != 2
            if number % 3 == 0:
                pixels[here] = (255, 0, 0)
            elif number % 3 == 1:
                pixels[here] = (
                    np.where(np.arange(SIZE) % 2, 255, 0).astype(np.uint8)[None, :, None].repeat(SIZE, 0)[here]
                )
            path = folder.parent / f"planted-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            assert image is not None
            if number % 3 == 0:
                out.segment(image, red, here)
            elif number % 3 == 1:
                out.segment(image, striped, here)
            out.segment(image, grey, ~here)


def not_a_number() -> nn.Module:
    """Return a network whose only layer gives NaN."""
    return _filled(float("nan"))


def too_large() -> nn.Module:
    """Return a network whose only layer gives numbers beyond float16."""
    return _filled(200000.0)


def _filled(value: float) -> nn.Module:
    conv = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.fill_(value)
    return nn.Sequential(conv)


def averaging() -> nn.Module:
    """Unit 0 averages 9 x 9 pixels, unit 1 the 3 x 3 pixels at their lower left, unit 2 ignores the image."""
    conv = nn.Conv2d(3, 3, 9, padding=4, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0] = 1 / 243
        conv.weight[1, :, 6:9, 0:3] = 1 / 27
    return nn.Sequential(conv, nn.ReLU())


def unanchored() -> nn.Module:
    """Return a network whose last map mixes two strides, so that no field of constant stride fits it."""
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(5))


def two_layers() -> nn.Module:
    """Put a second convolution of stride 2 on `network`: its units 0 and 1 pass on red, unit 2 fires on nothing."""
    first = network()
    second = nn.Conv2d(3, 3, 3, stride=2, padding=1)
    with torch.no_grad():
        second.weight.zero_()
        second.bias.zero_()
        second.weight[0, 0], second.weight[1, 0, 1, 1], second.bias[2] = 1 / 9, 1.0, -1.0
    return nn.Sequential(*first, second, nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def colours() -> nn.Module:
    """Mix colours: units 0 to 3 fire about red; red or green; red, green or blue; nothing; 4 to 6 about one colour each.

    The last map is a single position.
    """
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 7, 3, padding=1)
    with torch.no_grad():
        first.weight[:] = (2 * torch.eye(3) - 1)[:, :, None, None]
        first.bias.zero_()
        mixes = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        second.weight[:] = mixes[:, :, None, None] / 9
        second.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def write_colours(folder: Path, *, images: int = 60) -> None:
    """Write grey images without any annotation; each holds one square: red, green, blue, red, and so on."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number in range(images):
            pixels = np.full((SIZE, SIZE, 3), 120, np.uint8)
            top, left = rng.integers(1, SIZE - 4, 2)
            pixels[top : top + 3, left : left + 3] = np.eye(3, dtype=np.uint8)[number % 3] * 250
            path = folder.parent / f"colour-{number}.png"
            Image.fromarray(pixels).save(path)
            out.image(path)
