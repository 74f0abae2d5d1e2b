"""Gradients of a planted unit on three images, re-centred, and what is measured of their mean."""

import numpy as np

from filterscope.operators.location.effective_field import around_centres, effective_field, uniform
from tests.docs.pictures.svg import BLUE, INK, ORANGE, RED, RULE, SOFT, Sheet, shade

#: Side of the images and of the theoretical field, and pixels of a drawn block.
SIDE, FIELD, BLOCK = 224, 119, 8
CENTRES = np.array([[104.0, 104.0], [128.0, 80.0], [88.0, 120.0]])


def slopes():
    """Return how far each pixel moves the unit: a long Gaussian below and right of each centre, rough as gradients are."""
    y, x = np.mgrid[:SIDE, :SIDE]
    random, maps = np.random.default_rng(0), []
    for cy, cx in CENTRES:
        down, right = y - cy - 6, x - cx - 5
        along, across = (right + down) / np.sqrt(2), (right - down) / np.sqrt(2)
        inside = (np.abs(y - cy) <= FIELD // 2) & (np.abs(x - cx) <= FIELD // 2)
        maps.append(np.exp(-((along / 24) ** 2 + (across / 12) ** 2) / 2) * random.random((SIDE, SIDE)) * inside)
    return np.array(maps)


def picture():
    """Draw one gradient, the mean of three, and the discs."""
    maps, half = slopes(), FIELD // 2
    around = around_centres(maps, CENTRES)
    found = effective_field(around)
    boxes = [((int(y) - half, int(y) + half), (int(x) - half, int(x) + half)) for y, x in CENTRES]
    alike = effective_field(uniform((SIDE, SIDE), boxes, CENTRES))
    sheet = Sheet(
        760, 312, "The gradient of a unit on one image, its mean around the theoretical centre, and two discs"
    )
    first = np.round(np.array(around.origin) - CENTRES[0]).astype(int)
    mean = around.mean[first[0] : first[0] + SIDE, first[1] : first[1] + SIDE]
    for left, words, values in ((16, "gradient on one image", maps[0]), (268, "mean of 3, re-centred", mean)):
        sheet.text(left, 30, words, bold=True)
        side = SIDE // BLOCK
        blocks = values.reshape(side, BLOCK, side, BLOCK).mean((1, 3))
        for row, column in np.argwhere(blocks > 0.03 * blocks.max()):
            colour = shade(blocks[row, column] / blocks.max(), ORANGE)
            sheet.box(left + column * BLOCK, 44 + row * BLOCK, BLOCK, BLOCK, fill=colour)
        sheet.box(left, 44, SIDE, SIDE, stroke=RULE)
        y, x = CENTRES[0] - half
        sheet.box(left + x, 44 + y, FIELD, FIELD, stroke=SOFT, line=1.5, dash="5 3")
        sheet.cross(left + CENTRES[0][1], 44 + CENTRES[0][0], colour=RED)
    middle = CENTRES[0] + found.offset
    for radius in found.radii:
        sheet.dot(268 + middle[1], 44 + middle[0], radius, fill="none", stroke=BLUE, width=2)
    sheet.note(16, 286, "dashed: theoretical field;", "cross: its centre")
    sheet.note(268, 286, "blue: 68 and 95 % of the mass,", "about the centroid")
    sheet.text(520, 30, "what is measured", bold=True)
    sheet.note(520, 62, "radii of 68 and 95 %, pixels")
    sheet.text(520, 84, f"{found.radii[0]:.0f} and {found.radii[1]:.0f}", bold=True, size=16, colour=BLUE)
    sheet.note(520, 112, "were all of the theoretical field alike")
    sheet.text(520, 134, f"{alike.radii[0]:.0f} and {alike.radii[1]:.0f}", bold=True, size=16, colour=INK)
    sheet.note(520, 162, "long to short axis, direction")
    sheet.text(520, 184, f"{found.anisotropy:.1f}, {found.angle:.0f} degrees", bold=True, size=16, colour=BLUE)
    sheet.note(520, 216, "The planted unit looks 6 pixels below", "and 5 right of its centre; deviations 24",
               "and 12 along the diagonals.")  # fmt: skip
    return sheet.svg()
