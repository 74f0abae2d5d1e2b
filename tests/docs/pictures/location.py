"""The distance of two units to a landmark, and how much it scatters."""

import numpy as np

from filterscope.operators.location.location_instability import PROTOCOLS, compare, crop_centre, uniform_positions
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    ORANGE,
    PALE,
    RED,
    RULE,
    SOFT,
    Plot,
    Sheet,
)  # fmt: skip
from tests.planted.parts import EXTENT

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw the distance of two units to a landmark on four views, and its scatter on forty."""
    rng, count = np.random.default_rng(7), 40
    landmark = np.clip(np.array([70.0, 130.0]) + rng.normal(0, 28, (count, 2)), 12, 212)
    near = landmark + np.array([34.0, -22.0]) + rng.normal(0, 7, (count, 2))
    units = np.stack([near, rng.uniform(20, 204, (count, 2))])
    fixed = np.broadcast_to(crop_centre(EXTENT), (2, count, 2))
    uniform = uniform_positions(np.arange(2)[:, None], np.arange(count)[None], 11, EXTENT)
    found = compare(
        units, np.broadcast_to(landmark, (2, count, 2)), np.stack([fixed, uniform], 2), np.tile(np.arange(count), (2, 1)),
        EXTENT, PROTOCOLS["survey"], poisson_weights(count, 0),
    )  # fmt: skip
    sheet = Sheet(760, 300, "Distance from where a unit fires to a landmark, view by view, and its deviation")
    small = 84 / SIDE
    for unit, (words, colour) in enumerate((("a unit that follows", BLUE), ("a unit that wanders", ORANGE))):
        top = 44 + unit * 124
        sheet.text(16, top - 12, words, bold=True, colour=colour)
        for view in range(4):
            left = 16 + view * 94
            sheet.box(left, top, 84, 84, fill=PALE, stroke=RULE)
            (ly, lx), (uy, ux) = landmark[view] * small, units[unit, view] * small
            sheet.line(left + lx, top + ly, left + ux, top + uy, colour, 1.5)
            sheet.polygon([(left + lx, top + ly - 6), (left + lx + 6, top + ly), (left + lx, top + ly + 6),
                           (left + lx - 6, top + ly)], fill=GREEN)  # fmt: skip
            sheet.dot(left + ux, top + uy, 4, fill=colour)
    sheet.note(16, 274, "diamond: landmark; dot: receptive-field centre of the strongest position; line: distance d")
    plot = Plot(sheet, (480, 44, 180, 200), (0, 0.8), (0, 4))
    plot.axes([(v, f"{v:g}") for v in (0, 0.2, 0.4, 0.6, 0.8)], [], ("d, in diagonals", ""))
    sheet.text(480, 30, "d on 40 views, and its deviation D", bold=True)
    diagonal = np.hypot(*EXTENT)
    series = (
        ("follows", units[0], found.instability[0], BLUE), ("wanders", units[1], found.instability[1], ORANGE),
        ("fixed", fixed[0], found.baselines[0, 0], SOFT), ("uniform", uniform[0], found.baselines[0, 1], RED),
    )  # fmt: skip
    for row, (words, places, spread, colour) in enumerate(series):
        apart = np.hypot(*(places - landmark).T) / diagonal
        for at, value in enumerate(apart):
            sheet.dot(plot.x(value), plot.y(3.5 - row) + (at % 5 - 2) * 3.5, 2.2, fill=colour, opacity=0.6)
        sheet.text(666, plot.y(3.5 - row) - 2, words, size=12, colour=colour)
        sheet.text(666, plot.y(3.5 - row) + 14, f"D = {spread:.3f}", size=12, bold=True)
    return sheet.svg()
