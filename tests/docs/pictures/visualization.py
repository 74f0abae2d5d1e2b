"""A planted bank of Gabor filters, the picture made for each, and that with scrambled phases, with what they reach."""

import numpy as np
import torch

from filterscope.operators.visualization.spectrum import scrambled, start
from filterscope.pipeline.methods.visualization.painting import Canvas
from filterscope.pipeline.methods.visualization.synthesis import Raised
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests.docs.pictures.svg import INK, SOFT, TEAL, Sheet
from tests.planted.gabor import SIDE, WAVES, gabors

LAYER, STEPS = "1", 48


def made(units):
    """Return filters, pictures and scrambled pictures of some units, and what the latter two reach over the best noise."""
    module = gabors().eval().requires_grad_(False)
    zero = torch.zeros(1, 3, 1, 1)
    network = Network(Taps(module, (LAYER,)), (LAYER,), len(units), 1.0, "cpu", zero, zero + 255)
    canvas, numbers = Canvas.of(network, (SIDE, SIDE)), np.arange(len(units))
    begun = np.stack([start(unit, 3, SIDE, SIDE) for unit in units])
    raised = Raised(LAYER, torch.tensor(units), torch.ones(len(units)), 1, False, 0.0)
    spectra, _ = network.optimise(raised, begun, STEPS, 0.05, transform=canvas.moved, scores=False)
    kept = [canvas.kept(one) for one in (spectra, np.stack([scrambled(one, 1) for one in spectra]))]
    noise = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE, 3), np.uint8)
    best = network.exact(noise)[LAYER].max(axis=(0, 2, 3))[units]
    ratios = [network.exact(pictures)[LAYER][numbers, units].max(axis=(1, 2)) / best for pictures in kept]
    return module[0].weight[units].sum(1).numpy(), kept, ratios


def picture():
    """Draw four filters of the bank."""
    units = [0, 1, 3, 4]
    filters, kept, ratios = made(units)
    sheet = Sheet(700, 330, "Pictures made for four planted Gabor filters, and the same pictures with scrambled phases")
    for row, (words, more) in enumerate((("filter", ""), ("its picture", "ratio"), ("scrambled", "ratio"))):
        sheet.text(20, 84 + row * 98, words, bold=True)
        sheet.note(20, 102 + row * 98, more)
    for column, unit in enumerate(units):
        left = 130 + column * 140
        degrees, frequency = WAVES[unit]
        sheet.note(left, 30, f"{degrees} degrees, 1/{1 / frequency:.0f} pixel", colour=INK)
        grey = np.rint(127.5 + 127.5 * filters[column] / np.abs(filters[column]).max()).astype(np.uint8)
        sheet.image(left, 42, 84, np.repeat(grey[..., None], 3, 2))
        for row, colour in enumerate((TEAL, SOFT)):
            sheet.image(left, 140 + row * 94, 84, kept[row][column])
            sheet.text(left + 90, 186 + row * 94, f"{ratios[row][column]:.1f}", colour=colour, bold=not row)
    return sheet.svg()
