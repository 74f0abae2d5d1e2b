"""A template grown from one annotated crop, and the part found with it on another."""

import numpy as np

from filterscope.operators.and_or.growing import grow
from filterscope.operators.and_or.parsing import parse, vote
from filterscope.operators.and_or.responses import LayerResponses, standardise, usual_sums
from filterscope.operators.localization.patches import Lattice
from tests.docs.pictures.svg import BLUE, GREEN, ORANGE, PALE, RED, RULE, Sheet
from tests.planted.parts import EXTENT, planted_layer, planted_parts

#: Side of the views in pixels, patterns that are drawn of each layer, and the crop that is looked at.
SIDE, DRAWN, LOOKED = 224, 8, 23


def picture():
    """Draw the patterns of a template on its crop, and where they find the part on another."""
    parts = planted_parts(40, 0)
    layers = []
    for cells in (14, 28):
        planted = planted_layer(parts, cells, 6, 3, 0, mixed=1, peaks=2)
        seen = np.maximum(planted.maps.astype(np.float64), 0)
        response = standardise(planted.maps, seen.mean(axis=(0, 2, 3)), seen.std(axis=(0, 2, 3)))
        layer = LayerResponses(response, np.zeros(response.shape[1:]), Lattice(planted.centre, planted.stride))
        usual = usual_sums(response, layer.reach(float(SIDE)), (4.0, 4.0)) / len(response)
        layers.append(LayerResponses(response, usual, layer.lattice))
    part = parts[:, 0]
    template = grow(layers, np.array([0]), part[[0]], float(SIDE))
    (where,), _ = parse(template, layers, np.array([LOOKED]), EXTENT)
    votes, _, fired = vote(template, layers, LOOKED, float(SIDE))
    sheet = Sheet(760, 312, "Patterns of a template on its annotated crop, and their votes on another crop")
    for column, words in enumerate(("annotated crop", "held-out crop")):
        sheet.text(16 + column * 246, 30, words, bold=True)
        sheet.box(16 + column * 246, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
    start = 0
    for patterns, colour, radius in zip(template.layers, (BLUE, ORANGE), (4, 2.6), strict=True):
        for number in range(min(DRAWN, len(patterns.unit))):
            (y, x), (dy, dx) = patterns.place[number], patterns.displacement[number]
            sheet.line(16 + x, 44 + y, 16 + x + dx, 44 + y + dy, colour, 0.9)
            sheet.dot(16 + x, 44 + y, radius, fill=colour)
            if fired[start + number]:
                y, x = votes[start + number] - patterns.displacement[number]
                sheet.line(262 + x, 44 + y, 262 + x + dx, 44 + y + dy, colour, 0.9)
                sheet.dot(262 + x, 44 + y, radius, fill=colour)
        start += len(patterns.unit)
    for left, (y, x), colour, dash in (
        (16, part[0], GREEN, None),
        (262, part[LOOKED], GREEN, None),
        (262, where, RED, "5 3"),
    ):
        sheet.box(left + x - 24, 44 + y - 20, 48, 40, stroke=colour, line=2, dash=dash)
    counts = " and ".join(str(len(patterns.unit)) for patterns in template.layers)
    sheet.note(16, 286, f"the best of {counts} patterns,", "and what leads from each to the part")
    sheet.note(262, 286, "each finds its unit near its place and", "its parents', and votes for the part")
    sheet.key(516, 66, GREEN, "the part, as annotated", hollow=True)
    sheet.key(516, 90, RED, "as found", hollow=True)
    sheet.key(516, 114, BLUE, "a pattern of the upper layer")
    sheet.key(516, 138, ORANGE, "a pattern of the lower layer")
    apart = float(np.hypot(*(where - part[LOOKED])) / np.hypot(*EXTENT))
    sheet.note(516, 174, "distance from the part's centre:")
    sheet.text(516, 196, f"{apart:.3f} diagonals", bold=True, size=16)
    return sheet.svg()
