"""Purity of planted detectors beside rotations of them; and the same once they stand behind a rotation of their own."""

import numpy as np

from filterscope.operators.attributes.semantics import by_chance, directions, purity, strongest
from tests.docs.pictures.svg import BLUE, ORANGE, RULE, SOFT, Plot, Sheet

_CLASSES, _EACH, _TOP, _DRAWS = 12, 30, 8, 39
_LABEL = np.repeat(np.arange(_CLASSES), _EACH)
_OWN = np.arange(len(_LABEL))


def picture():
    """Draw the mean purity of units, of rotated bases and of images at random, for two layers that span the same space."""
    rng = np.random.default_rng(0)
    responses = (_LABEL[:, None] == np.arange(_CLASSES)) + rng.normal(0, 0.3, (len(_LABEL), _CLASSES))
    mixed = responses @ directions(_CLASSES, _CLASSES, 999, rotated=True)
    sheet = Sheet(760, 210, "Mean purity of units beside 39 rotated bases and images at random, for two planted layers")
    for column, (words, layer) in enumerate((("one detector per unit", responses), ("the same, mixed", mixed))):
        plot = Plot(sheet, (50 + column * 370, 60, 310, 80), (0, 1), (0, 1))
        sheet.text(50 + column * 370, 32, words, bold=True)
        own = _mean(strongest(layer, np.eye(_CLASSES), _OWN, _TOP))
        drawn = [
            _mean(strongest(layer, directions(_CLASSES, _CLASSES, draw, rotated=True), _OWN, _TOP))
            for draw in range(_DRAWS)
        ]
        chance = _mean(by_chance(_OWN, _TOP, 200, 0))
        sheet.line(plot.x(chance), plot.y(0), plot.x(chance), plot.y(1), RULE, 3)
        for draw, value in enumerate(drawn):
            sheet.dot(plot.x(value), plot.y(0.15 + 0.4 * draw / _DRAWS), 3, fill=BLUE)
        sheet.dot(plot.x(own), plot.y(0.75), 6, fill=ORANGE)
        plot.axes([(v, f"{v:g}") for v in (0, 0.25, 0.5, 0.75, 1)], (), ("mean purity of the strongest 8 images", ""))
        p = (1 + sum(value >= own for value in drawn)) / (1 + _DRAWS)
        sheet.text(plot.x(1), 32, f"p = {p:.3f}", at="end", bold=True, colour=SOFT)
    sheet.key(240, 52, ORANGE, "units")
    sheet.key(310, 52, BLUE, "rotated bases")
    sheet.key(430, 52, RULE, "images at random")
    return sheet.svg()


def _mean(chosen):
    return purity(chosen, _LABEL)[1].mean()
