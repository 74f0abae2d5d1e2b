"""Patterns that a filter mixes: its peaks, clustered by where they lie and what the layer sees there.

A peak is described by its place in the view and by the layer's local feature vector. Both halves weigh alike: each is
scaled to a total variance of 1 and turned to its principal axes, along which a single Gaussian is diagonal, so that
correlation alone splits no filter. `gaussian_mixture` then finds how many clusters they are. What cells and float16
round off must not be taken for patterns: places are blurred by half a cell, with normal numbers drawn by seed.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.numerics.gaussian_mixture import FEWEST, Mixture, fit_mixture
from filterscope.operators.numerics.principal_axes import principal_axes

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
class _Half:
    """How half of a description is made: about the mean of the described, in one scale, along their widest axes."""

    mean: NDArray[np.float64]
    scale: float
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], least: float, most: int) -> Self:
        """Scale to a total variance of 1, smaller if it is under `least` before; keep at most `most` axes that count."""
        mean = values.mean(axis=0)
        scale = float(np.sqrt(max(float((values - mean).var(axis=0).sum()), least)))
        scaled = (values - mean) / scale
        # no BLAS: its sums may depend on the number of threads
        variance, axes = principal_axes(np.einsum("ni,nj->ij", scaled, scaled) / len(scaled))
        return cls(mean, scale, axes[np.flatnonzero(variance >= _LEAST)[:most]])

    def points(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ni,ai->na", (values - self.mean) / self.scale, self.axes), np.float64)


@dataclass(frozen=True)
class Description:
    """How the peaks of a filter are described, learned of some and good for others."""

    cell: tuple[float, float]
    place: _Half
    features: _Half

    def points(self, place: NDArray[np.float64], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the descriptions of n peaks, whose places are not blurred: float64 of shape (n, axes)."""
        halves = self.place.points(place / np.asarray(self.cell)), self.features.points(features.astype(np.float64))
        return np.hstack(halves)


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
    mixture : Mixture
        The Gaussians.
    description : Description
        What they are Gaussians of.
    """

    labels: NDArray[np.int64]
    patterns: int
    gaussians: int
    gain: float
    axes: int
    mixture: Mixture
    description: Description

    def assign(self, place: NDArray[np.float64], features: NDArray[np.float16]) -> NDArray[np.int64]:
        """Return the pattern of each of m other peaks of the filter, int64 of shape (m,); parameters as for `describe`."""
        return self.mixture.assign(self.description.points(place, features))


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
    return _described(place, features, cell, seed)[1]


def _described(
    place: NDArray[np.float64], features: NDArray[np.float16], cell: tuple[float, float], seed: int
) -> tuple[Description, NDArray[np.float64]]:
    blurred, vectors = place / np.asarray(cell) + _BLUR * _normal(place.shape, seed), features.astype(np.float64)
    most = min(MOST_AXES, len(place) // FEWEST) - 2
    description = Description(cell, _Half.of(blurred, 1.0, 2), _Half.of(vectors, _SAME, most))
    return description, np.hstack([description.place.points(blurred), description.features.points(vectors)])


def _normal(shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """Draw normal numbers (Box & Muller 1958); raw bits alone are the same in all versions of numpy."""
    uniform = ((np.random.PCG64(seed).random_raw((2, *shape)) >> np.uint64(11)) + 0.5) * 2.0**-53
    return np.asarray(np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1]), np.float64)


def find_patterns(
    place: NDArray[np.float64], features: NDArray[np.float16], cell: tuple[float, float], seed: int
) -> Patterns:
    """Cluster the n peaks of a filter, at least 20; parameters are those of `describe`.

    The peaks must come in an order that is theirs, such as by view and position: seeds choose among them.
    """
    description, points = _described(place, features, cell, seed)
    found = fit_mixture(points, seed + 1)
    return Patterns(found.labels, found.clusters, found.gaussians, found.gain, points.shape[1], found, description)


__all__ = ["FEWEST_PEAKS", "MOST_PEAKS", "Description", "Patterns", "describe", "find_patterns"]
