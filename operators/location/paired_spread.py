"""How steady groups of positions are beside a landmark, on the same images, with a bootstrap that draws images for all alike.

`paired_bootstrap` tells one unit from its baselines; here a group, such as the nodes of a filter or its patterns,
counts with the mean location instability of its members, and what many filters have in common can be averaged draw by draw.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.location.location_instability import c4


@dataclass(frozen=True)
class Spread:
    """Location instability of G groups of positions.

    Attributes
    ----------
    instability : float64 ndarray of shape (G,)
        Mean over the members of each group.
    drawn : float64 ndarray of shape (G, draws)
        The same with the images of every draw, without the correction by c4; NaN where a draw holds no two images.
    """

    instability: NDArray[np.float64]
    drawn: NDArray[np.float64]


def spread_of(
    groups: Sequence[NDArray[np.float64]],
    landmark: NDArray[np.float64],
    images: NDArray[np.int64],
    extent: tuple[int, int],
    weights: NDArray[np.float32],
) -> Spread:
    """Measure groups of positions beside a landmark on the same n views.

    Parameters
    ----------
    groups : sequence of float64 ndarrays of shape (members, n, 2)
        y and x in input pixels.
    landmark : float64 ndarray of shape (n, 2)
        The landmark; at least two views.
    images : int64 ndarray of shape (n,)
        Source images, rows of `weights`: views of one are drawn together.
    extent : (int, int)
        Height and width of the network input.
    weights : float32 ndarray of shape (source images, draws)
        From `operators.statistics.paired_bootstrap.poisson_weights`.
    """
    diagonal, correction = math.hypot(*extent), c4(len(landmark))
    apart = [np.hypot(*np.moveaxis(group - landmark, 2, 0)) / diagonal for group in groups]
    alone = [each.std(axis=1, ddof=1).mean() / correction for each in apart]
    times = weights[images].astype(np.float64)
    return Spread(np.array(alone), np.stack([_deviations(each, times).mean(axis=0) for each in apart]))


def _deviations(distance: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return deviations (N - 1) of m series (m, n) whose entries count `times` (n, draws) in each draw: (m, draws)."""
    centred = distance - distance.mean(axis=1, keepdims=True)
    # no BLAS: its sums may depend on the number of threads
    first, second = (np.einsum("mn,nd->md", values, times) for values in (centred, centred**2))
    count = times.sum(axis=0)
    squares = second - np.divide(first**2, count, out=np.zeros_like(first), where=count > 0)
    variance = np.divide(squares, count - 1, out=np.full_like(squares, np.nan), where=count > 1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), np.float64)


def chance_of_no_less(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return (draws in which `own` is not below `other` + 1) / (draws + 1), of shapes (draws,): small where own is steadier."""
    return float(((~(own < other)).sum() + 1) / (len(own) + 1))


def mean_spread(spreads: Sequence[Spread]) -> Spread:
    """Return the mean over filters of the same G groups and draws, group by group and draw by draw."""
    alone = np.mean([spread.instability for spread in spreads], axis=0)
    return Spread(np.asarray(alone, np.float64), np.mean([spread.drawn for spread in spreads], axis=0))


def reduction(spread: Spread, own: int, other: int) -> tuple[float, NDArray[np.float64]]:
    """Return by what share group `own` scatters less than group `other`, and the same in every draw, shape (draws,).

    Neither is finite where `other` does not scatter at all.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = 1 - spread.instability[own] / spread.instability[other]
        return float(alone), np.asarray(1 - spread.drawn[own] / spread.drawn[other], np.float64)


def share_steadier(spreads: Sequence[Spread], own: int, other: int, level: float) -> float:
    """Return the share of filters whose group `own` is steadier than their group `other` with p < `level`."""
    return float(np.mean([chance_of_no_less(each.drawn[own], each.drawn[other]) < level for each in spreads]))


__all__ = ["Spread", "chance_of_no_less", "mean_spread", "reduction", "share_steadier", "spread_of"]
