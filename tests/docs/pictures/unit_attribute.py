"""Responses of a planted unit with and without an attribute, and the AUC of all pairs beside permuted images."""

import numpy as np

from filterscope.operators.attributes.separability import separability
from filterscope.operators.statistics.significance import significance
from tests.docs.pictures.svg import BLUE, ORANGE, RED, RULE, SOFT, TEAL, Plot, Sheet

_IMAGES, _UNITS, _ATTRIBUTES, _DRAWS = 400, 20, 6, 50


def picture():
    """Draw two histograms of responses, and the distance from 0.5 of every unit's AUC for every attribute."""
    rng = np.random.default_rng(0)
    values = (rng.random((_IMAGES, _ATTRIBUTES)) < 0.4).astype(np.int8)
    responses = rng.normal(0, 1, (_UNITS, _IMAGES))
    responses[3] += 1.2 * values[:, 1]
    responses[11] += 0.6 * values[:, 4]
    found = separability(responses.astype(np.float32), values, np.arange(_IMAGES), range(_DRAWS))
    q = significance(found.score.ravel(), found.null_score.reshape(_DRAWS, -1)).q_value.reshape(found.score.shape)
    sheet = Sheet(
        760, 270, "Responses of a unit to images with and without an attribute, and AUCs beside those of chance"
    )
    _histograms(sheet, responses[3], values[:, 1], found.auc[1, 3], found.d_prime[1, 3])
    plot = Plot(sheet, (450, 62, 280, 160), (0, _ATTRIBUTES), (0.3, 0.9))
    sheet.text(450, 30, f"{_UNITS} units x {_ATTRIBUTES} attributes", bold=True)
    plot.axes((), [(v, f"{v:g}") for v in (0.3, 0.5, 0.7, 0.9)], ("", "AUC"))
    chance = found.null_best.mean(axis=0) - 0.5
    for attribute in range(_ATTRIBUTES):
        left = plot.x(attribute) + 4
        low, high = plot.y(0.5 + chance[attribute]), plot.y(0.5 - chance[attribute])
        sheet.box(left, low, 38, high - low, fill=RULE)
        for unit in range(_UNITS):
            known = q[attribute, unit] <= 0.05
            sheet.dot(
                left + 2 + unit * 1.8,
                plot.y(found.auc[attribute, unit]),
                4 if known else 2,
                fill=RED if known else SOFT,
            )
        sheet.text(left + 19, 240, f"a{attribute}", at="middle", size=12)
    sheet.key(490, 50, RED, "q <= 0.05")
    sheet.key(585, 50, RULE, "best of chance, on average")
    return sheet.svg()


def _histograms(sheet, responses, values, auc, d_prime):
    edges = np.linspace(-3.2, 4.4, 20)
    plot = Plot(sheet, (50, 62, 320, 160), (edges[0], edges[-1]), (0, 0.5))
    sheet.text(50, 30, "unit 3 on images with and without a1", bold=True)
    for kind, colour, shift in ((0, BLUE, 0), (1, ORANGE, 0.5)):
        density, _ = np.histogram(responses[values == kind], edges, density=True)
        width = (plot.x(edges[1]) - plot.x(edges[0])) / 2
        for height, edge in zip(density, edges, strict=False):
            if height:
                sheet.box(
                    plot.x(edge) + shift * 2 * width, plot.y(height), width - 1, plot.y(0) - plot.y(height), fill=colour
                )
    plot.axes([(v, f"{v}") for v in (-2, 0, 2, 4)], (), ("maximum of the map", ""))
    sheet.key(50, 50, ORANGE, "with")
    sheet.key(110, 50, BLUE, "without")
    sheet.text(368, 84, f"AUC = {auc:.2f}", at="end", bold=True)
    sheet.text(368, 102, f"d' = {d_prime:.2f}", at="end", colour=TEAL)
