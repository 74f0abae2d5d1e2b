"""Relations of planted attributes beside the correlation of their labels, and the pair that the labels do not explain."""

import numpy as np

from filterscope.operators.bias.baselines import correlation, ranks, residuals
from filterscope.operators.bias.order import clustered
from filterscope.operators.bias.relations import Means, cosines, masked, pairs_of
from tests.docs.pictures.svg import BLUE, INK, ORANGE, RED, RULE, SOFT, Plot, Sheet

_ATTRIBUTES, _UNITS, _VIEWS, _CELL = 10, 80, 60, 24
_TIED = (2, 7)


def picture():
    """Draw the matrix of relations, labels above its diagonal, and the line from which one pair stands apart."""
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, (_ATTRIBUTES, 3))
    labels = (shared @ rng.normal(0, 1, (3, 4000)) + rng.normal(0, 1.5, (_ATTRIBUTES, 4000)) > 0).astype(np.int8)
    weights = shared @ rng.normal(0, 1, (3, _UNITS)) + rng.normal(0, 1.2, (_ATTRIBUTES, _UNITS))
    weights[_TIED[1]] = 0.5 * weights[_TIED[1]] + 3 * weights[_TIED[0]]
    first, second = pairs_of(_ATTRIBUTES)
    found = Means(len(first), 50)
    for view in range(_VIEWS):
        slopes = (weights + rng.normal(0, 0.8, weights.shape)).astype(np.float32)
        maps = np.maximum(rng.normal(0.3, 1, _UNITS), 0).astype(np.float32)
        found.add(cosines(masked(slopes, slopes * maps, "top")[0])[None], [view])
    relation = found.mean()
    phi = np.array([correlation(labels[i], labels[j])[0] for i, j in zip(first, second, strict=True)])
    residual, slope, intercept = residuals(relation, phi)
    sheet = Sheet(760, 350, "A matrix of relations of ten attributes, and relations against correlations of labels")
    _matrix(sheet, relation, phi, first, second)
    _scatter(sheet, relation, phi, slope, intercept, int(np.argmin(ranks(residual))))
    return sheet.svg()


def _matrix(sheet, relation, phi, first, second):
    square = np.eye(_ATTRIBUTES)
    square[first, second] = square[second, first] = relation
    place = {int(k): at for at, k in enumerate(clustered(square))}
    left, top = 60, 62
    sheet.text(left, 30, "relations, below; labels, above", bold=True)
    for name, at in place.items():
        sheet.text(left - 8, top + at * _CELL + 16, f"a{name}", at="end", size=12)
    for i, j, below, above in zip(first.tolist(), second.tolist(), relation, phi, strict=True):
        low, high = sorted((place[i], place[j]))
        for x, y, value in ((low, high, below), (high, low, above)):
            colour = RED if value >= 0 else BLUE
            corner = left + x * _CELL, top + y * _CELL
            sheet.box(*corner, _CELL - 2, _CELL - 2, fill=colour, opacity=round(float(abs(value)), 2))
            if (i, j) == _TIED:
                sheet.box(*corner, _CELL - 2, _CELL - 2, stroke=INK, line=1.5)
    sheet.key(left, 325, RED, "above 0")
    sheet.key(left + 100, 325, BLUE, "below 0")


def _scatter(sheet, relation, phi, slope, intercept, largest):
    plot = Plot(sheet, (440, 62, 290, 230), (-0.75, 0.75), (-1, 1))
    sheet.text(440, 30, "what the labels do not explain", bold=True)
    plot.axes(
        [(v, f"{v}") for v in (-0.5, 0, 0.5)], [(v, f"{v}") for v in (-1, 0, 1)], ("correlation of labels", "relation")
    )
    ends = (-0.7, 0.7)
    sheet.lines(plot.points(ends, [slope * end + intercept for end in ends]), SOFT, 1.5)
    for pair, (x, y) in enumerate(zip(phi.tolist(), relation.tolist(), strict=True)):
        sheet.dot(
            plot.x(x), plot.y(y), 5 if pair == largest else 3, fill=ORANGE if pair == largest else RULE, stroke=SOFT
        )
    x, y = plot.x(float(phi[largest])), plot.y(float(relation[largest]))
    sheet.line(x, y, x, plot.y(slope * float(phi[largest]) + intercept), ORANGE, 2)
    sheet.text(x + 10, y + 4, f"a{_TIED[0]} and a{_TIED[1]}", bold=True)
    sheet.note(x + 10, y + 22, "residual")
