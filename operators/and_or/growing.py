"""Growing a template: patterns chosen among all units of a layer, layer by layer from the top."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.and_or.responses import LayerResponses
from filterscope.operators.and_or.selection import kept_count
from filterscope.operators.localization.templates import RESPONSE, SPREAD, USUAL, log_gaussian
from filterscope.operators.localization.voting import FALL

#: Weights of how usual a unit is, of its parents, of its vote for the part, and of lying near the part.
GENERAL, PARENT, VOTE, NEAR = 5.0, 10.0, 5.0, 2.0
#: Upper patterns that a pattern is tied to.
PARENTS = 15


@dataclass(frozen=True)
class Patterns:
    """K patterns of one layer.

    Attributes
    ----------
    unit : int64 ndarray of shape (K,)
        Their channels.
    place, displacement : float64 ndarrays of shape (K, 2)
        y and x, mean over the annotated views, and what leads from there to the part.
    usual, near, score : float64 ndarrays of shape (K,)
        How usual the unit is of the category, log G of its distance from the part, and what it was chosen by.
    parents : int64 ndarray of shape (K, P)
        Patterns of the layer above that it is tied to; P is 0 for the top layer.
    found : float64 ndarray of shape (S, K, 2)
        Where it lies on each of the S annotated views.
    """

    unit: NDArray[np.int64]
    place: NDArray[np.float64]
    displacement: NDArray[np.float64]
    usual: NDArray[np.float64]
    near: NDArray[np.float64]
    score: NDArray[np.float64]
    parents: NDArray[np.int64]
    found: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _choose(
    response: NDArray[np.float32], moved: NDArray[np.float64], reach: tuple[int, int],
    best: NDArray[np.float64], chosen: NDArray[np.int64],
) -> None:  # fmt: skip
    channels, rows, columns = response.shape
    for channel in range(channels):
        for row in range(rows):
            for column in range(columns):
                cell = row * columns + column
                for i in range(max(0, row - reach[0]), min(rows, row + reach[0] + 1)):
                    for j in range(max(0, column - reach[1]), min(columns, column + reach[1] + 1)):
                        value = 1.5 * response[channel, i, j] + moved[cell, i * columns + j]
                        if value > best[channel, cell]:
                            best[channel, cell], chosen[channel, cell] = value, i * columns + j


@njit(cache=True, nogil=True)
def _tie(
    place: NDArray[np.float64], tied: NDArray[np.int64], found: NDArray[np.float64], usual: NDArray[np.float64],
    weight: float, moved: NDArray[np.float64],
) -> None:  # fmt: skip
    """Take from each move, of a cell to a place, the mean distance from where the cell's parents expect it."""
    for cell in range(len(place)):
        for at in range(len(place)):
            away = 0.0
            for parent in tied[cell]:
                y = found[parent, 0] + place[cell, 0] - usual[parent, 0]
                x = found[parent, 1] + place[cell, 1] - usual[parent, 1]
                away += np.hypot(place[at, 0] - y, place[at, 1] - x)
            moved[cell, at] -= weight * away / tied.shape[1]


def nearest_parents(place: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of the 15 patterns (K, 2) of the layer above nearest to each of n places: (n, at most 15)."""
    away = ((place[:, None] - upper) ** 2).sum(axis=2)
    return np.argsort(away, axis=1, kind="stable")[:, :PARENTS]


def grow_layer(
    layer: LayerResponses,
    rows: NDArray[np.int64],
    part: NDArray[np.float64],
    side: float,
    upper: Patterns | None = None,
) -> Patterns:
    """Choose the patterns of one layer that stand for a part on annotated views.

    Every unit begins as a pattern; on each view it moves to the unit of its channel, in its window, of highest 1.5 response +
    .35 log G(moved) + 10 parents. Its score is that, with 5 usual + 2 log G(from the part) and 5 log G(twice what its vote is
    off), averaged over the views; of patterns that on average lie on the same unit the best stays.

    Parameters
    ----------
    layer : LayerResponses
        Of all views.
    rows : int64 ndarray of shape (S,)
        The annotated views.
    part : float64 ndarray of shape (S, 2)
        y and x of the part there.
    side : float
        Side of the input in pixels.
    upper : Patterns, optional
        Of the layer above, grown from the same views.

    Returns
    -------
    Patterns
        Those of highest score; see `kept_count`.
    """
    assert RESPONSE == 1.5  # as the kernel has it
    place, middle, deviation = layer.places(), part.mean(axis=0), SPREAD * side
    channels, cells = layer.response.shape[1], len(place)
    tied = nearest_parents(place, upper.place) if upper is not None else np.empty((cells, 0), np.int64)
    near = log_gaussian(place - middle, deviation)
    score = np.zeros((channels, cells))
    chosen = np.empty((len(rows), channels, cells), np.int64)
    still = USUAL * log_gaussian(place[:, None] - place, deviation)
    for shot, row in enumerate(rows.tolist()):
        moved = still.copy()
        if upper is not None and tied.shape[1]:
            _tie(place, tied, upper.found[shot], upper.place, PARENT / (FALL * side), moved)
        best = np.full((channels, cells), -np.inf)
        _choose(layer.response[row], moved, layer.reach(side), best, chosen[shot])
        off = part[shot] - (place[chosen[shot]] + middle - place)
        score += best + VOTE * log_gaussian(2 * off, deviation)
    score = score / len(rows) + GENERAL * layer.usual.reshape(channels, cells) + NEAR * near
    return _kept(layer, score, chosen, place, part, near, tied)


def _kept(
    layer: LayerResponses, score: NDArray[np.float64], chosen: NDArray[np.int64], place: NDArray[np.float64],
    part: NDArray[np.float64], near: NDArray[np.float64], tied: NDArray[np.int64],
) -> Patterns:  # fmt: skip
    """Keep the best of the patterns that on average lie on the same unit, and of these the highest."""
    channels, cells = score.shape
    order = np.argsort(-score.reshape(-1), kind="stable")
    shots = len(chosen)
    # the mean cell, halves up, in integers: no rounding of places decides
    row, column = (
        (2 * index.sum(axis=0).ravel() + shots) // (2 * shots) for index in np.divmod(chosen, layer.cells[1])
    )
    names = np.column_stack([np.repeat(np.arange(channels), cells), row, column])[order]
    _, first = np.unique(names, axis=0, return_index=True)
    order = order[np.sort(first)]
    order = order[: kept_count(score.reshape(-1)[order])]
    unit, cell = np.divmod(order, cells)
    found = place[chosen[:, unit, cell]]
    where = found.mean(axis=0)
    return Patterns(
        unit, where, (part[:, None] - found).mean(axis=0), layer.usual.reshape(channels, cells)[unit, cell], near[cell],
        score[unit, cell], tied[cell], found,
    )  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A way in which a part looks: patterns of all layers, from the top, and where the part is and how large."""

    layers: tuple[Patterns, ...]
    part: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Patterns in all."""
        return sum(len(patterns.unit) for patterns in self.layers)


def grow(layers: Sequence[LayerResponses], rows: NDArray[np.int64], part: NDArray[np.float64], side: float) -> Template:
    """Grow a template from annotated views, from the top layer down; see `grow_layer`."""
    grown: list[Patterns] = []
    for layer in layers:
        grown.append(grow_layer(layer, rows, part, side, grown[-1] if grown else None))
    return Template(tuple(grown), part.mean(axis=0))


__all__ = [
    "GENERAL",
    "NEAR",
    "PARENT",
    "PARENTS",
    "VOTE",
    "Patterns",
    "Template",
    "grow",
    "grow_layer",
    "nearest_parents",
]
