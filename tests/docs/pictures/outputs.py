"""Class scores of one view, and confidence beside accuracy over all views."""

import numpy as np

from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    SOFT,
    Plot,
    Sheet,
    shade,
)  # fmt: skip


def picture():
    """Draw the five highest probabilities of a view, and how sure the network is beside how often it is right."""
    rng, views, classes = np.random.default_rng(0), 400, 10
    true = rng.choice(classes, views, p=[0.19, *[0.09] * 9])
    scores = rng.normal(0, 1, (views, classes))
    scores[np.arange(views), true] += 2.0
    scores *= 1.6
    scores[0] = [1.0, 4.1, -1.0, 3.4, 0.2, 2.6, -0.5, 1.8, 0.9, -2.0]
    true[0] = 3
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    probability = exponentials / exponentials.sum(1, keepdims=True)
    order = np.argsort(-scores[0], kind="stable")[:5]
    sheet = Sheet(760, 262, "The classes of highest score on one view, and confidence beside accuracy over all views")
    sheet.text(16, 30, "one view: five classes of highest score", bold=True)
    for note, x in (("rank", 16), ("class", 56), ("score", 110), ("probability", 166)):
        sheet.text(x, 54, note, size=12, colour=SOFT)
    for rank, label in enumerate(order):
        y, share = 80 + rank * 28, probability[0, label]
        for words, x in ((f"{rank}", 16), (f"{label}", 56), (f"{scores[0, label]:.1f}", 110)):
            sheet.text(x, y, words)
        sheet.box(166, y - 13, 170 * share, 18, fill=GREEN if label == true[0] else shade(0.5))
        sheet.text(172 + 170 * share, y, f"{share:.2f}" + (", the true class" if label == true[0] else ""), size=12)
    sheet.note(16, 236, "rank counts from 0; the true class has rank 1: wrong at top-1, right at top-5")
    right = (scores.argmax(1) == true).mean()
    bars = (
        ("mean highest probability", probability.max(1).mean(), BLUE), ("share that is right", right, GREEN),
        ("commonest class", np.bincount(true).max() / views, ORANGE), ("chance: 1 / classes", 1 / classes, RED),
    )  # fmt: skip
    plot = Plot(sheet, (560, 52, 150, 150), (0, 1), (0, 4))
    plot.axes([(v, f"{v:g}") for v in (0, 0.5, 1)])
    sheet.text(420, 30, f"{views} planted views of {classes} classes", bold=True)
    for row, (words, value, colour) in enumerate(bars):
        y = plot.y(3.5 - row)
        sheet.text(552, y + 4, words, size=12, at="end")
        sheet.box(560, y - 10, plot.x(value) - 560, 20, fill=colour)
        sheet.text(plot.x(value) + 5, y + 4, f"{value:.2f}", size=12)
    return sheet.svg()
