"""A drawn image, and where methods and controls point in it."""

import numpy as np
import torch

from filterscope.operators.attribution.energy import energy_inside
from filterscope.operators.attribution.pointing import pointed_at
from filterscope.pipeline.methods.attribution.explainers import made
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests import planted
from tests.docs.pictures.svg import INK, ORANGE, SOFT, Sheet
from tests.planted import SIZE

#: Class whose score is the mean of unit 0, which fires on red, and what is shown of it.
RED, SHOWN = 0, (("grad_cam", "Grad-CAM"), ("occlusion", "occlusion"), ("edges", "edges"), ("centre", "centre"))
SIDE, TOP = 128, 64


def planted_image():
    """Return an image (SIZE x SIZE) of a red square and a green lattice, and the mask of the square."""
    pixels, mask = np.full((SIZE, SIZE, 3), 110, np.uint8), np.zeros((SIZE, SIZE), bool)
    mask[5:13, 19:28] = True
    pixels[mask] = (205, 60, 60)
    pixels[17:29, 3:17] = np.where(np.indices((12, 14)).sum(0)[..., None] % 4 < 2, (70, 190, 90), (30, 50, 40))
    return pixels, mask


def network():
    """Put the planted classifier in place, with an input from 0 to 1."""
    values = torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), 255.0)
    return Network(Taps(planted.classifier().eval().requires_grad_(False), ()), (), 8, 1.0, "cpu", *values)


def coloured(values):
    """Return the positive part of a map as an image, white to blue."""
    share = np.maximum(values, 0)[..., None] / values.max()
    return np.round(255 - share * (255 - np.array([63, 120, 191]))).astype(np.uint8)


def picture():
    """Draw the image and four maps, with the region and the places that they point at."""
    pixels, mask = planted_image()
    sheet = Sheet(
        5 * (SIDE + 18) + 18, 236, "An image, and where two methods and two controls say that the score of red is"
    )
    cell = SIDE / SIZE
    panels = [("image", None), *SHOWN]
    for number, (name, words) in enumerate(panels):
        left = 18 + number * (SIDE + 18)
        sheet.text(left, TOP - 12, words or "the image", bold=True)
        values = None
        if words:
            explain = made(name, layer="1")
            values = explain(network(), pixels[None], np.array([RED]), np.zeros(1, np.uint64)).maps[0]
        sheet.image(left, TOP, SIDE, pixels if values is None else coloured(values))
        sheet.box(left + 19 * cell, TOP + 5 * cell, 9 * cell, 8 * cell, stroke=ORANGE, line=2)
        if values is None:
            sheet.note(left, TOP + SIDE + 20, "score: how much red", "framed: the region")
            continue
        row, column = np.argwhere(values == values.max()).mean(0)
        sheet.cross(left + (column + 0.5) * cell, TOP + (row + 0.5) * cell, 5, INK, 2)
        hit, lift = pointed_at(values, mask[None])[0, 0], energy_inside(values, mask[None])[0] / mask.mean()
        sheet.text(left, TOP + SIDE + 20, f"hit {hit:.0f}", bold=True)
        sheet.text(left, TOP + SIDE + 38, f"lift {lift:.1f}", colour=SOFT)
    sheet.text(18 + SIDE + 18, 28, "methods", size=12, colour=SOFT)
    sheet.text(18 + 3 * (SIDE + 18), 28, "controls, which look at no network", size=12, colour=SOFT)
    return sheet.svg()
