"""How far three planted units move where the content does, and what share of the way that is."""

import numpy as np

from filterscope.operators.location.follows_shift import corners_of, follows_shift
from tests.docs.pictures.svg import BLUE, GREEN, ORANGE, PALE, RULE, SOFT, TEAL, Plot, Sheet

#: Views, and the side of the input.
VIEWS, SIDE = 60, 224


def picture():
    """Draw two crops of one canvas, and the moves of three units on sixty such pairs beside those of the content."""
    corners = np.array([corners_of(view, 5, SIDE) for view in range(VIEWS)])
    content = (corners[:, 0] - corners[:, 1]).astype(float)
    rng = np.random.default_rng(5)
    place = rng.uniform(60, 160, (VIEWS, 2))
    cells = [np.round(p / 16) * 16 for p in (place, place + content)]
    units = (
        ("moves with the content", cells[1] - cells[0], BLUE),
        ("stays at its place in the crop", np.zeros((VIEWS, 2)), TEAL),
        ("fires anywhere", rng.uniform(0, SIDE, (VIEWS, 2)) - rng.uniform(0, SIDE, (VIEWS, 2)), ORANGE),
    )
    found = follows_shift(np.stack([moved for _, moved, _ in units], 1), content, np.arange(VIEWS), 10)
    sheet = Sheet(760, 250, "Two crops of one canvas, and how far three units move beside how far the content does")
    small, (left, top) = 150 / 288, (16, 44)
    sheet.text(16, 30, "two crops of a view", bold=True)
    sheet.box(left, top, 150, 150, fill=PALE, stroke=RULE)
    for (y, x), colour in zip(corners[0].tolist(), (GREEN, SOFT), strict=True):
        sheet.box(left + x * small, top + y * small, SIDE * small, SIDE * small, fill="none", stroke=colour)
    sheet.note(16, 222, "corners lie 24 to 64 pixels apart")
    for number, (words, moved, colour) in enumerate(units):
        plot = Plot(sheet, (215 + number * 185, 44, 150, 150), (-70, 70), (-140, 140))
        sheet.text(plot.place[0], 30, words, bold=True, colour=colour)
        plot.axes([(v, f"{v:g}") for v in (-60, 0, 60)], [], ("content, in pixels", ""))
        for way, own in zip(content.ravel(), moved.ravel(), strict=True):
            sheet.dot(plot.x(way), plot.y(np.clip(own, -140, 140)), 2, fill=colour, opacity=0.5)
        sheet.text(plot.place[0] + 8, 60, f"{found.slope[number]:.2f} +- {found.error[number]:.2f}", size=13, bold=True)
    return sheet.svg()
