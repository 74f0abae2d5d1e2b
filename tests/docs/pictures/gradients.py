"""A map, the gradient of a class score, and how it is brought into float16."""

import numpy as np

from filterscope.pipeline.stores.gradients import scaled
from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    INK,
    PALE,
    RED,
    RULE,
    SOFT,
    Plot,
    Sheet,
    shade,
)  # fmt: skip

#: The smallest float16 but 0.
LEAST = 2.0**-24


def planted_gradient():
    """Return a map (7 x 7) and the gradient of a score s = v . tanh(W A) with respect to it, times 1e-6."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:7, :7]
    activation = np.exp(-((y - 2) ** 2 + (x - 4) ** 2) / 4.0) * 3 + rng.gamma(1.0, 0.2, (7, 7))
    matrix, weights = (
        rng.normal(0, 0.3, (12, 49)) * np.exp(-((y - 2) ** 2 + (x - 4) ** 2) / 9.0).ravel(),
        rng.normal(size=12),
    )
    inner = np.tanh(matrix @ activation.ravel())
    return activation, (matrix.T @ (weights * (1 - inner**2))).reshape(7, 7) * 1e-6


def picture():
    """Draw a map, the gradient of a score with respect to it, and how it is brought into float16."""
    activation, gradient = planted_gradient()
    maps, scales = scaled(gradient.astype(np.float32)[None, None])
    sheet = Sheet(760, 280, "A map, the gradient of a class score with respect to it, and the scale that float16 needs")
    sheet.text(16, 30, "A: map of a unit", bold=True)
    sheet.cells(16, 44, 140, activation / activation.max())
    sheet.line(162, 104, 196, 104, SOFT, 1.5, arrow=True)
    sheet.text(179, 96, "s", at="middle", bold=True)
    sheet.line(196, 126, 162, 126, RED, 1.5, arrow=True)
    sheet.text(202, 30, "ds / dA", bold=True)
    largest = np.abs(gradient).max()
    colours = [shade(abs(value) / largest, RED if value > 0 else BLUE) for value in gradient.ravel()]
    sheet.cells(202, 44, 140, gradient, colours)
    sheet.key(202, 208, RED, "more activation, higher score")
    sheet.key(202, 230, BLUE, "more activation, lower score")
    sheet.note(16, 208, "forward: the score s of", "a class; back: how s", "depends on each cell")
    plot = Plot(sheet, (400, 62, 340, 120), (-36, 18), (0, 2))
    sheet.text(400, 30, "one scale per view, a power of two", bold=True)
    sheet.box(plot.x(-24), 62, plot.x(-14) - plot.x(-24), 120, fill=PALE)
    sheet.box(plot.x(-14), 62, plot.x(16) - plot.x(-14), 120, fill=shade(0.12, GREEN))
    sheet.text(plot.x(1), 56, "float16: 11 bits", size=11, at="middle", colour=GREEN)
    sheet.text(plot.x(-19), 56, "fewer bits", size=11, at="middle", colour=SOFT)
    sheet.text(plot.x(-30.5), 56, "lost", size=11, at="middle", colour=RED)
    ticks = [(power, words) for power, words in ((-24, "2⁻²⁴"), (-14, "2⁻¹⁴"), (0, "1"), (15, "2¹⁵"))]
    plot.axes(ticks, [], ("magnitude", ""))
    rows = (
        (1.5, gradient, INK, "as computed"),
        (0.5, maps[0, 0].astype(float), BLUE, f"times 2^{int(np.log2(scales[0]))}"),
    )
    for height, values, colour, words in rows:
        for at, value in enumerate(np.log2(np.abs(values[values != 0]))):
            sheet.dot(plot.x(value), plot.y(height) + (at % 7 - 3) * 4, 2.2, fill=colour, opacity=0.7)
        sheet.text(404, plot.y(height) - 20, words, size=12, colour=colour, bold=True)
    lost = (np.abs(gradient) < LEAST).sum()
    sheet.line(400, 182, 740, 182, RULE)
    sheet.note(
        400,
        236,
        f"{lost} of 49 values lie under 2⁻²⁴, the smallest float16;",
        "scaled, the largest lies in [2¹⁴, 2¹⁵) and all are kept",
    )
    return sheet.svg()
