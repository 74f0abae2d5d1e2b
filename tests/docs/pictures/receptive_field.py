"""How occluders find what a unit reacts to inside its theoretical field."""

import numpy as np

from filterscope.operators.images.outline import outline
from filterscope.operators.location.occlusion import THRESHOLD, Occluders, empirical_field, recentre
from tests.docs.pictures.svg import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    RED,
    RULE,
    SOFT,
    Sheet,
    shade,
)  # fmt: skip
from tests.planted.parts import EXTENT

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw how occluders find what a unit reacts to inside its theoretical field."""
    y, x = np.mgrid[:SIDE, :SIDE]
    occluders, centres = Occluders(EXTENT, 33, 9), np.array([[104.0, 104.0], [120.0, 88.0], [88.0, 120.0]])
    weight = [np.exp(-((y - cy - 6) ** 2 + (x - cx - 5) ** 2) / (2 * 15.0**2)) for cy, cx in centres]
    drops = np.array(
        [[one[top : top + 33, left : left + 33].sum() for top, left in occluders.corners] for one in weight]
    )
    field, around = empirical_field(drops, occluders, centres), recentre(drops, occluders, centres)
    sheet = Sheet(
        760, 312, "Boxes are moved over an image; how far the unit changes under each gives its empirical field"
    )
    scale, top = 1.0, 44
    sheet.text(16, 30, "one of the strongest images", bold=True)
    sheet.box(16, top, SIDE, SIDE, fill=PALE, stroke=RULE)
    theory = 171
    low = [max(0.0, centre - theory / 2) for centre in centres[0]]
    sheet.box(16 + low[1], top + low[0], theory, theory, stroke=SOFT, line=1.5, dash="5 3")
    for corner in occluders.corners[::2]:
        sheet.dot(16 + corner[1] + 16.5, top + corner[0] + 16.5, 0.8, fill=SOFT)
    sheet.box(16 + 90, top + 81, 33, 33, fill=INK)
    sheet.cross(16 + centres[0][1], top + centres[0][0], colour=RED)
    sheet.note(16, 286, "black: one of the 484 boxes; dashed:", "theoretical field, 171 pixels")
    sheet.text(268, 30, "discrepancy, mean of 3 images", bold=True)
    first = np.round(np.array(around.origin) - centres[0]).astype(int)
    mean = around.mean[first[0] : first[0] + SIDE, first[1] : first[1] + SIDE]
    blocks = mean.reshape(28, 8, 28, 8).mean((1, 3)) / mean.max()
    for row, column in np.argwhere(blocks > 0.02):
        sheet.box(268 + column * 8, top + row * 8, 8, 8, fill=shade(blocks[row, column], ORANGE))
    sheet.box(268, top, SIDE, SIDE, stroke=RULE)
    sheet.region(outline(mean, THRESHOLD * mean.max()), 268, top, SIDE, stroke=BLUE, width=2)
    centre = centres[0] * scale
    sheet.cross(268 + centre[1], top + centre[0], colour=RED)
    sheet.dot(268 + centre[1] + field.offset[1], top + centre[0] + field.offset[0], 4, fill=BLUE)
    sheet.note(268, 286, "blue: at least half of the largest;", "its pixels are the empirical field")
    sheet.text(520, 30, "what is measured", bold=True)
    sheet.note(520, 62, "size: square root of the area", colour=SOFT)
    sheet.text(520, 84, f"{field.size:.1f} pixels", bold=True, size=16, colour=BLUE)
    sheet.note(520, 116, "offset: centroid (dot) less", "theoretical centre (cross)", colour=SOFT)
    sheet.text(520, 154, f"{field.offset[0]:.1f} down, {field.offset[1]:.1f} right", bold=True, size=16, colour=BLUE)
    sheet.note(520, 190, "The planted unit looks 6 pixels below", "and 5 right of its centre, with a",
               "Gaussian of deviation 15. A field is", "never much smaller than the box.")  # fmt: skip
    return sheet.svg()
