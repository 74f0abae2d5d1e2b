"""Best IoUs as annotated beside those under permuted annotations, and the folds of the expected IoU."""

import numpy as np

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE, significance
from tests.docs.pictures.svg import (
    BLUE,
    INK,
    ORANGE,
    RED,
    RULE,
    SOFT,
    Plot,
    Sheet,
    shade,
)  # fmt: skip


def picture():
    """Draw best IoUs as annotated beside those under permuted annotations, and which of them are significant."""
    rng = np.random.default_rng(0)
    null = 0.012 + rng.gamma(3.0, 0.0065, (50, 600)) * rng.uniform(0.9, 1.1, (50, 1))
    observed = 0.012 + rng.gamma(3.0, 0.0065, 600)
    observed[:70] += rng.gamma(3.0, 0.025, 70)
    observed = observed.clip(0, 0.199)
    found = significance(observed, null)
    edges = np.arange(0, 0.2001, 0.005)
    counts, chance = np.histogram(observed, edges)[0], np.histogram(null, edges)[0] / len(null)
    passing = np.histogram(observed[found.q_value <= FALSE_DISCOVERY_RATE], edges)[0]
    sheet = Sheet(
        760, 372, "Best IoUs of a layer's units, as annotated and under permuted annotations, with their q values"
    )
    plot = Plot(sheet, (56, 46, 440, 176), (0, 0.2), (0, 120))
    plot.axes(up=[(v, str(v)) for v in (0, 40, 80, 120)], names=("", "units"))
    for left, count, high, mean in zip(edges, counts, passing, chance, strict=False):
        bar = plot.x(left + 0.005) - plot.x(left)
        sheet.box(plot.x(left) + 0.5, plot.y(count), bar - 1, plot.y(0) - plot.y(count), fill=shade(0.45))
        sheet.box(plot.x(left) + 0.5, plot.y(high), bar - 1, plot.y(0) - plot.y(high), fill=BLUE)
        sheet.line(plot.x(left), plot.y(mean), plot.x(left + 0.005), plot.y(mean), RED, 2)
    lower = Plot(sheet, (56, 262, 440, 62), (0, 0.2), (0, 1))
    lower.axes([(v, f"{v:.2f}") for v in (0, 0.05, 0.1, 0.15, 0.2)], [(0, "0"), (1, "1")], ("best IoU of a unit", "q"))
    order = np.argsort(observed)
    sheet.lines(lower.points(observed[order], found.q_value[order]), INK, 1.5)
    cutoff, by_chance = found.calibrated_cutoff, (null > DETECTOR_IOU).sum() / len(null)
    sheet.line(plot.x(cutoff), 46, plot.x(cutoff), 324, BLUE, 1.2, dash="4 3")
    sheet.line(plot.x(DETECTOR_IOU), 46, plot.x(DETECTOR_IOU), 324, SOFT, 1.2, dash="2 3")
    sheet.text(plot.x(DETECTOR_IOU) + 4, 58, "0.04", size=11, colour=SOFT)
    sheet.text(plot.x(cutoff) + 4, 58, f"q ≤ 0.05 from {cutoff:.3f} on", size=11, colour=BLUE)
    sheet.key(520, 56, shade(0.45), "as annotated")
    sheet.key(520, 78, BLUE, "significant")
    sheet.key(520, 100, RED, "permuted: mean of 50 draws", hollow=True)
    sheet.note(520, 128, f"{(observed > DETECTOR_IOU).sum()} of 600 units are over 0.04,",
               f"{by_chance:.0f} are expected by chance;", f"{passing.sum()} have q ≤ 0.05 (70 were planted)")  # fmt: skip
    sheet.text(520, 222, "Expected IoU: eight folds", bold=True)
    for row in range(3):
        for fold in range(8):
            left_out = fold == row
            sheet.box(520 + fold * 26, 234 + row * 24, 23, 18, fill=ORANGE if left_out else shade(0.25), stroke=RULE)
        sheet.text(520 + 8 * 26 + 3, 247 + row * 24, "...", size=11, colour=SOFT)
    sheet.note(520, 326, "seven choose T and concept (X),", "the eighth measures I and U")
    return sheet.svg()
