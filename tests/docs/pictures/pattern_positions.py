"""Patterns on two held-out crops, and the windows of nodes."""

import numpy as np

from filterscope.operators.explanatory_graph.settings import WINDOW_DEFORMATIONS
from filterscope.operators.patterns.patterns import find_patterns
from tests.docs.pictures.svg import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    RULE,
    Sheet,
)  # fmt: skip
from tests.planted.patterns import STRIDE, planted_filter

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw patterns and a node's window on two held-out crops."""
    place, features, _ = planted_filter(2, 240, 1, noise=0.3)
    found = find_patterns(place[:200], features[:200], (STRIDE, STRIDE), 1)
    means = np.array([place[:200][found.labels == pattern].mean(0) for pattern in range(2)])
    assigned = found.assign(place[200:], features[200:])
    first, second = (200 + np.flatnonzero(assigned == pattern)[:2] for pattern in range(2))
    crops = ((first[0], second[0]), (first[1],))
    colours = (BLUE, ORANGE)
    sheet = Sheet(760, 312, "Two patterns of a filter on held-out crops, and the window of a node")
    for column, peaks in enumerate(crops):
        left = 16 + column * 246
        sheet.text(left, 30, f"held-out crop {column + 1}", bold=True)
        sheet.box(left, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
        for pattern in range(2):
            y, x = means[pattern]
            reach = WINDOW_DEFORMATIONS * 9
            sheet.box(left + x - reach, 44 + y - reach, 2 * reach, 2 * reach, stroke=colours[pattern], dash="4 3")
            own = [peak for peak in peaks if assigned[peak - 200] == pattern]
            if own:
                y, x = place[own[0]]
                sheet.dot(left + x, 44 + y, 6, fill=colours[pattern])
            else:
                sheet.dot(left + x, 44 + y, 6, fill="none", stroke=colours[pattern], width=2)
            sheet.cross(left + means[pattern][1], 44 + means[pattern][0], 4, INK, 1)
    sheet.note(16, 286, "both patterns have a peak above T")
    sheet.note(262, 286, "pattern 1 has none: it stays at its mean")
    for pattern in range(2):
        sheet.key(516, 66 + 24 * pattern, colours[pattern], f"pattern {pattern}")
    sheet.note(516, 120, "filled: its strongest peak on the crop,", "given to the pattern whose Gaussians",
               "make it likeliest; hollow: no peak;", "cross: mean place on learning crops;",
               "dashed: window in which a node looks", "on every crop.")  # fmt: skip
    sheet.note(516, 236, "A pattern without peaks is a constant,", "and a constant scatters little.")
    return sheet.svg()
