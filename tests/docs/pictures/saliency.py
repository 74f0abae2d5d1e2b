"""Saliency maps of a planted network by three rules, and those of the network with its head in another order."""

import numpy as np
import torch
from torch import nn

from filterscope.pipeline.methods.pictures import grey
from filterscope.pipeline.methods.saliency.drawing import RULES, correlated, mapped
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests.docs.pictures.svg import SOFT, TEAL, Sheet

SIDE = 40


def network(order):
    """Return a network whose class 0 counts edges at the left and takes off those at the right; its head in some order."""
    conv, head = nn.Conv2d(3, 8, 5, padding=2, bias=False), nn.Linear(8 * SIDE * SIDE, 2, bias=False)
    random = np.random.default_rng(0)
    kernel = random.standard_normal((8, 1, 5, 5))
    kernel -= kernel.mean((2, 3), keepdims=True)
    sides = np.where(np.arange(SIDE) < SIDE // 2, 1.0, -1.0)
    weight = np.broadcast_to(sides, (8, SIDE, SIDE)) * random.random((8, SIDE, SIDE)) / 100
    with torch.no_grad():
        conv.weight[:] = torch.from_numpy(np.repeat(kernel, 3, 1).astype(np.float32))
        flat = weight.ravel()[np.random.default_rng(1).permutation(weight.size)] if order else weight.ravel()
        head.weight[0] = torch.from_numpy(flat.astype(np.float32))
        head.weight[1] = 0
    module = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head).eval().requires_grad_(False)
    middle = torch.full((1, 3, 1, 1), 127.5)
    return Network(Taps(module, ()), (), 1, 1.0, "cpu", middle, middle)


def image():
    """Return two squares, one on each side."""
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    pixels[12:28, 4:16], pixels[8:32, 24:36] = (230, 160, 60), (70, 150, 210)
    return pixels


def picture():
    """Draw the image and three pairs of maps."""
    pixels, side = image(), 112
    sheet = Sheet(
        700, 330, "Saliency maps by three rules for rectifiers, of a network and of the same with its head shuffled"
    )
    sheet.image(16, 56, 84, pixels)
    sheet.text(16, 28, "image", bold=True)
    sheet.note(16, 160, "the score: edges", "at the left less", "edges at the right")
    networks = [network(order) for order in (False, True)]
    for column, rule in enumerate(RULES):
        left = 190 + column * 165
        maps = [mapped(one, pixels[None], np.zeros(1, np.int64), rule)[0][0] for one in networks]
        sheet.text(left, 28, rule, bold=True)
        for row, one in enumerate(maps):
            shown = np.repeat(grey(one, float(np.quantile(one, 0.99)))[..., None], 3, 2)
            sheet.image(left, 44 + row * 122, side, shown)
        sheet.text(left, 308, f"correlation {correlated(*maps):.2f}", colour=TEAL, bold=True)
    sheet.note(180, 100, "trained", at="end", colour=SOFT)
    sheet.note(180, 222, "head", "shuffled", at="end", colour=SOFT)
    return sheet.svg()
