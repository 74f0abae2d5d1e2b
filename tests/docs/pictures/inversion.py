"""A picture made anew from three planted layers: one that loses nothing, one of lightness, one of coarse means."""

import numpy as np
import torch
from torch import nn

from filterscope.operators.visualization.inversion import relative_errors
from filterscope.pipeline.methods.inversion.inverting import inverted
from filterscope.pipeline.methods.inversion.options import InversionOptions
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests.docs.pictures.svg import INK, SOFT, TEAL, Sheet

SIDE = 32


def layers():
    """Return the planted layers by what they keep."""
    both, light = nn.Conv2d(3, 6, 1, bias=False), nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        both.weight[:] = torch.cat([torch.eye(3), -torch.eye(3)])[:, :, None, None]
        light.weight[0], light.weight[1] = 1 / 3, -1 / 3
    return {
        "everything": nn.Sequential(both, nn.ReLU()),
        "how light it is": nn.Sequential(light, nn.ReLU()),
        "means of 8 x 8": nn.Sequential(both, nn.AvgPool2d(8)),
    }


def image():
    """Return coloured shapes on a ground that grows lighter."""
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.stack([60 + 3 * x, 60 + 3 * y, np.full((SIDE, SIDE), 110)], 2).astype(np.uint8)
    pixels[(y - 11) ** 2 + (x - 11) ** 2 < 50] = (230, 90, 60)
    pixels[18:28, 17:29] = (60, 190, 220)
    return pixels


def picture():
    """Draw the picture, and what each layer gives back."""
    pixels, side = image(), 132
    sheet = Sheet(700, 250, "A picture, and what is made of what three planted layers say of it")
    sheet.text(16, 30, "picture", bold=True)
    sheet.image(16, 44, side, pixels)
    middle = torch.full((1, 3, 1, 1), 127.5)
    begun = 0.1 * np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    for column, (words, module) in enumerate(layers().items()):
        left, last = 186 + column * 172, str(len(module) - 1)
        network = Network(
            Taps(module.eval().requires_grad_(False), (last,)), (last,), 1, 1.0, "cpu", middle, middle / 2
        )
        target = network.exact(pixels[None])[last]
        made = inverted(network, last, target, begun, InversionOptions(steps=120, smoothness=0.001, range=0.0))
        error = relative_errors(network.exact(made)[last], target)[0]
        mean = pixels.mean((0, 1))
        off = relative_errors((made - mean), (pixels - mean)[None])[0]
        sheet.text(left, 30, words, bold=True)
        sheet.image(left, 44, side, made[0])
        sheet.note(left, 200, f"error in the layer {error:.2f}", colour=INK)
        sheet.text(left, 222, f"in pixels {off:.2f}", colour=TEAL, bold=True)
    sheet.note(16, 200, "layers that know", "less lose more", colour=SOFT)
    return sheet.svg()
