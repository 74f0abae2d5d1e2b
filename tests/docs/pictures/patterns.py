"""The peaks of a filter, clustered by place and by what the layer sees there."""

import numpy as np

from filterscope.operators.patterns.patterns import describe, find_patterns
from tests.docs.pictures.svg import (
    BLUE,
    ORANGE,
    PALE,
    RULE,
    TEAL,
    VIOLET,
    Plot,
    Sheet,
)  # fmt: skip
from tests.planted.patterns import STRIDE, planted_filter

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw the peaks of a filter by place and by what the layer sees there, as they are clustered."""
    place, features, _ = planted_filter(3, 240, 4, noise=0.3)
    found = find_patterns(place, features, (STRIDE, STRIDE), 4)
    points, colours = describe(place, features, (STRIDE, STRIDE), 4), (BLUE, ORANGE, TEAL, VIOLET)
    rng = np.random.default_rng(0)
    sheet = Sheet(
        760, 312, "The peaks of a filter that mixes three patterns: where they lie, and what the layer sees there"
    )
    sheet.text(16, 30, "where the peaks lie", bold=True)
    sheet.box(16, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
    for at, (y, x) in enumerate(place + rng.normal(0, 3, place.shape)):
        sheet.dot(16 + np.clip(x, 2, 222), 44 + np.clip(y, 2, 222), 2.6, fill=colours[found.labels[at]], opacity=0.7)
    sheet.note(16, 286, "240 peaks above T, in input pixels")
    sheet.text(268, 30, "what the layer sees there", bold=True)
    across, up = points[:, 2], points[:, 3]
    plot = Plot(
        sheet, (268, 44, SIDE, SIDE), (across.min() - 0.2, across.max() + 0.2), (up.min() - 0.2, up.max() + 0.2)
    )
    sheet.box(268, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
    for at, (x, y) in enumerate(plot.points(across, up)):
        sheet.dot(x, y, 2.6, fill=colours[found.labels[at]], opacity=0.7)
    sheet.note(268, 286, "two principal axes of the feature vectors")
    sheet.text(520, 30, f"{found.patterns} patterns", bold=True)
    for label, count in enumerate(np.bincount(found.labels)):
        sheet.key(520, 66 + 26 * label, colours[label], f"pattern {label}: {count / len(place):.0%} of the peaks")
    sheet.note(520, 156, f"made of {found.gaussians} Gaussians; BIC is", f"{found.gain:.0f} below that of one pattern.",
               "", "Clusters count as two patterns only", "where the density dips between them.")  # fmt: skip
    return sheet.svg()
