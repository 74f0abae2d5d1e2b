"""Parsing views by a template: its patterns find their units, from the top layer down, and vote for the part."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.and_or.growing import GENERAL, NEAR, PARENT, VOTE, Patterns, Template
from filterscope.operators.and_or.responses import LayerResponses
from filterscope.operators.localization.templates import NONE, SPREAD, USUAL, log_gaussian
from filterscope.operators.localization.voting import FALL, count_votes


@njit(cache=True, nogil=True)
def _find(
    response: NDArray[np.float32], unit: NDArray[np.int64], place: NDArray[np.float64], expected: NDArray[np.float64],
    lattice: tuple[float, float, float, float], reach: tuple[int, int], still: float, tie: float,
    found: NDArray[np.float64], score: NDArray[np.float64], heard: NDArray[np.float32],
) -> None:  # fmt: skip
    rows, columns = response.shape[1:]
    top, left, down, right = lattice
    for k in range(len(unit)):
        row = min(max(int(np.floor((place[k, 0] - top) / down + 0.5)), 0), rows - 1)
        column = min(max(int(np.floor((place[k, 1] - left) / right + 0.5)), 0), columns - 1)
        score[k] = -np.inf
        for i in range(max(0, row - reach[0]), min(rows, row + reach[0] + 1)):
            for j in range(max(0, column - reach[1]), min(columns, column + reach[1] + 1)):
                y, x = top + i * down, left + j * right
                away = 0.0
                for parent in range(expected.shape[1]):
                    away += np.hypot(y - expected[k, parent, 0], x - expected[k, parent, 1])
                if expected.shape[1]:
                    away /= expected.shape[1]
                moved = (y - place[k, 0]) ** 2 + (x - place[k, 1]) ** 2
                value = 1.5 * response[unit[k], i, j] - still * moved - tie * away
                if value > score[k]:
                    score[k], found[k, 0], found[k, 1], heard[k] = value, y, x, response[unit[k], i, j]


def find_patterns(
    layer: LayerResponses, patterns: Patterns, view: int, side: float, upper: Patterns | None = None,
    above: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:  # fmt: skip
    """Find each of K patterns of a layer on a view, given where those of the layer above are.

    Returns
    -------
    (float64 ndarray of shape (K, 2), float64 ndarray of shape (K,), bool ndarray of shape (K,))
        Places, scores (1.5 response + .35 log G(moved) + 5 usual + 10 parents), and whether the unit responds at all.
    """
    expected = np.empty((len(patterns.unit), 0, 2))
    if upper is not None and above is not None:
        expected = above[patterns.parents] + patterns.place[:, None] - upper.place[patterns.parents]
    found, score = np.zeros((len(patterns.unit), 2)), np.zeros(len(patterns.unit))
    heard = np.zeros(len(patterns.unit), np.float32)
    still, lattice = USUAL / (4 * (SPREAD * side) ** 2), (*layer.lattice.centre, *layer.lattice.stride)
    _find(
        layer.response[view], patterns.unit, patterns.place, expected, lattice, layer.reach(side), still,
        PARENT / (FALL * side), found, score, heard,
    )  # fmt: skip
    return found, score + GENERAL * patterns.usual, heard > NONE


def parse(
    template: Template, layers: Sequence[LayerResponses], views: NDArray[np.int64], extent: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the part of a template on views.

    Parameters
    ----------
    template : Template
        From `grow`.
    layers : sequence of LayerResponses
        The layers that it was grown from, from the top.
    views : int64 ndarray of shape (n,)
        Views to parse.
    extent : (int, int)
        Height and width of the input.

    Returns
    -------
    (float64 ndarray of shape (n, 2), float64 ndarray of shape (n,))
        Where most votes come together, or the annotated place where no pattern responds; and the template's score, the mean
        over its patterns of their own, 2 log G(from the part) and 5 log G(vote - part), the last G of half the deviation.
    """
    side, near = float(max(extent)), np.concatenate([patterns.near for patterns in template.layers])
    centres, scores = np.empty((len(views), 2)), np.empty(len(views))
    for at, view in enumerate(views.tolist()):
        votes, score, fired = vote(template, layers, view, side)
        place, _ = count_votes(votes[None], fired[None], np.ones(len(fired)), extent)
        centre = np.where(np.isnan(place[0]), template.part, place[0])
        agreement = VOTE * log_gaussian(votes - centre, SPREAD * side / 2)
        centres[at], scores[at] = centre, (score + NEAR * near + agreement).mean()
    return centres, scores


def vote(
    template: Template, layers: Sequence[LayerResponses], view: int, side: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return where each pattern of all layers expects the part on a view, its score, and whether its unit responds."""
    votes, scores, fired = [], [], []
    upper: Patterns | None = None
    above: NDArray[np.float64] | None = None
    for layer, patterns in zip(layers, template.layers, strict=True):
        found, score, heard = find_patterns(layer, patterns, view, side, upper, above)
        votes.append(found + patterns.displacement)
        scores.append(score)
        fired.append(heard)
        upper, above = patterns, found
    return np.concatenate(votes), np.concatenate(scores), np.concatenate(fired)


__all__ = ["find_patterns", "parse", "vote"]
