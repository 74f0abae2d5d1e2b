"""Patterns that a filter mixes: its peaks, clustered by where they lie and what the layer sees there.

A peak is described by its place in the view and by the layer's local feature vector. Both halves weigh alike: each is
scaled to a total variance of 1 and turned to its principal axes, along which a single Gaussian is diagonal, so that
correlation alone splits no filter. `operators.gaussian_mixture` then finds how many clusters they are. What cells and float16
round off must not be taken for patterns: places are blurred by half a cell, with normal numbers drawn by seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.gaussian_mixture import FEWEST, fit_mixture
from operators.principal_axes import principal_axes

#: Peaks of a filter that are clustered at most, the strongest, and at least.
MOST_PEAKS, FEWEST_PEAKS = 500, 4 * FEWEST
#: Principal axes at most.
MOST_AXES = 8
#: Variance that an axis must have, where each half of a description has 1.
_LEAST = 0.01
#: Deviation of a place that is only known to lie in a cell; a row of cells has no gaps at half a cell.
_BLUR = 0.5
#: Total variance under which feature vectors of length 1 are the same: float16 and the projection round.
_SAME = 1e-4


@dataclass(frozen=True)
class Patterns:
    """The patterns of a filter.

    Attributes
    ----------
    labels : int64 ndarray of shape (n,)
        Pattern of each peak: 0 has most.
    patterns : int
        How many there are.
    gaussians : int
        Gaussians that they are made of.
    gain : float
        By how much the BIC is below that of a single pattern.
    axes : int
        Principal axes in which the peaks were clustered.
    """

    labels: NDArray[np.int64]
    patterns: int
    gaussians: int
    gain: float
    axes: int


def describe(
    place: NDArray[np.float64], features: NDArray[np.float16], cell: tuple[float, float], seed: int
) -> NDArray[np.float64]:
    """Return the descriptions of n peaks, float64 of shape (n, axes): axes of places and then of features, widest first.

    Parameters
    ----------
    place : float64 ndarray of shape (n, 2)
        y and x of each peak.
    features : float16 ndarray of shape (n, d)
        Projected local feature vectors of length about 1.
    cell : (float, float)
        Height and width of a map's cell, in the unit of `place`.
    seed : int
        Places are blurred by it.

    Returns
    -------
    float64 ndarray of shape (n, axes)
        Axes of variance 0.01 and more, at most 8 and at most one for 5 peaks.
    """
    blurred = place / np.asarray(cell) + _BLUR * _normal(place.shape, seed)
    return np.hstack(
        [
            _principal(_scaled(blurred, 1.0), 2),
            _principal(_scaled(features.astype(np.float64), _SAME), min(MOST_AXES, len(place) // FEWEST) - 2),
        ]
    )


def _principal(half: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Turn columns to their widest axes, at most `most`, of a variance that counts."""
    # no BLAS: its sums may depend on the number of threads
    variance, axes = principal_axes(np.einsum("ni,nj->ij", half, half) / len(half))
    wide = np.flatnonzero(variance >= _LEAST)[:most]
    return np.asarray(np.einsum("ni,ai->na", half, axes[wide]), np.float64)


def _normal(shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """Draw normal numbers (Box & Muller 1958); raw bits alone are the same in all versions of numpy."""
    uniform = ((np.random.PCG64(seed).random_raw((2, *shape)) >> np.uint64(11)) + 0.5) * 2.0**-53
    return np.asarray(np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1]), np.float64)


def _scaled(half: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return columns about their means, scaled to a total variance of 1; smaller if it is under `least` before."""
    centred = half - half.mean(axis=0)
    return np.asarray(centred / np.sqrt(max(float(centred.var(axis=0).sum()), least)), np.float64)


def find_patterns(
    place: NDArray[np.float64], features: NDArray[np.float16], cell: tuple[float, float], seed: int
) -> Patterns:
    """Cluster the n peaks of a filter, at least 20; parameters are those of `describe`.

    The peaks must come in an order that is theirs, such as by view and position: seeds choose among them.
    """
    points = describe(place, features, cell, seed)
    found = fit_mixture(points, seed + 1)
    return Patterns(found.labels, found.clusters, found.gaussians, found.gain, points.shape[1])


__all__ = ["FEWEST_PEAKS", "MOST_PEAKS", "Patterns", "describe", "find_patterns"]
