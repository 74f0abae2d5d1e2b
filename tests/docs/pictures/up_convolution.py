"""Drawn squares, and the best linear pictures of what two planted layers give: grey values, and the mean colour."""

import numpy as np
import torch

from filterscope.operators.upconvolution.controls import Ridge
from filterscope.operators.upconvolution.measures import colour_error, distances, pair_distance, place_error
from tests.docs.pictures.svg import INK, Sheet
from tests.planted.inverted import COLOURS, drawn, luminance, overall

SHOWN = 4


def pixels(images):
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)


def picture():
    """Draw four held-out squares, two inversions of each, and what they lost."""
    shown, colour, _ = drawn(400)
    images = shown / 255
    # one of each colour
    held = np.array([np.flatnonzero(colour[300:] == one)[0] + 300 for one in range(len(COLOURS))])[:SHOWN]
    unit = pair_distance(images[:300], 0)
    sheet = Sheet(700, 330, "Drawn squares, and linear inversions of their grey values and of their mean colour")
    for column, one in enumerate(held):
        sheet.image(190 + column * 90, 30, 72, shown[one])
    sheet.text(20, 70, "held-out image", bold=True)
    sheet.note(560, 24, "error, colour, place", colour=INK)
    for row, (module, words) in enumerate(((luminance(), "of grey values"), (overall(), "of the mean colour"))):
        with torch.no_grad():
            features = module(torch.from_numpy(np.moveaxis(images, 3, 1)).float()).flatten(1).numpy()
        ridge = Ridge(features[:300], images[:300].reshape(300, -1), 1e-4)
        made = ridge(features[300:]).reshape(-1, *images.shape[1:]).clip(0, 1)
        sheet.text(20, 170 + row * 100, words, bold=True)
        for column, one in enumerate(held):
            sheet.image(190 + column * 90, 130 + row * 100, 72, pixels(made[one - 300]))
        measures = (
            distances(images[300:], made) / unit,
            colour_error(images[300:], made),
            place_error(images[300:], made),
        )
        values = [f"{measures[0].mean():.2f}", f"{measures[1].mean():.1f}", f"{measures[2].mean():.2f}"]
        sheet.text(560, 170 + row * 100, ",  ".join(values))
    return sheet.svg()
