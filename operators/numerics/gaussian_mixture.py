"""Clusters as mixtures of Gaussians with diagonal covariances, fitted by EM; BIC chooses how many Gaussians.

For every number of Gaussians EM starts from several k-means solutions, themselves started as k-means++ does (Arthur &
Vassilvitskii 2007). A cluster that is not Gaussian takes several: those between which the density of the mixture does not dip
are one cluster. Everything is summed in the order of the points, so that a result is the same wherever it is computed.

References
----------
G. Schwarz, Estimating the dimension of a model, 1978: BIC = -2 log L + p log n, here p = 2 k d + k - 1.
R. Kass and A. Raftery, Bayes factors, 1995, section 3.2: a difference of BIC above 10 is very strong evidence.
C. Hennig, Methods for merging Gaussian mixture components, 2010, section 4.2: the ratio of densities along the ridge line.
S. Ray and B. Lindsay, The topography of multivariate normal mixtures, 2005: the ridge line of two Gaussians.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Gaussians at most, and starts for every number of them.
MOST, STARTS = 8, 3
#: Points that every Gaussian must hold.
FEWEST = 5
#: Variance of a Gaussian, at least, as a share of the variance of all points along the axis.
FLOOR = 0.01
#: By how much BIC must fall for more Gaussians: very strong evidence (Kass & Raftery).
MARGIN = 10.0
#: Density between two clusters, at most, as a share of the lower of their peaks; Hennig's suggestion.
DIP = 0.2
_SWEEPS, _ITERATIONS, _TOLERANCE, _STEPS = 10, 100, 1e-5, 20


@njit(cache=True, nogil=True)
def _squared_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    total = 0.0
    for axis in range(len(one)):
        total += (one[axis] - other[axis]) ** 2
    return total


@njit(cache=True, nogil=True)
def _spread_seeds(points: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose seeds among the points as k-means++ does: each with probability by squared distance to those before."""
    count = len(points)
    seeds = np.empty((len(draws), points.shape[1]))
    seeds[0] = points[min(int(draws[0] * count), count - 1)]
    nearest = np.full(count, np.inf)
    for seed in range(1, len(draws)):
        total = 0.0
        for point in range(count):
            nearest[point] = min(nearest[point], _squared_distance(points[point], seeds[seed - 1]))
            total += nearest[point]
        goal, reached, chosen = draws[seed] * total, 0.0, count - 1
        for point in range(count):
            reached += nearest[point]
            if reached > goal:
                chosen = point
                break
        seeds[seed] = points[chosen]
    return seeds


@njit(cache=True, nogil=True)
def _assign(points: NDArray[np.float64], means: NDArray[np.float64], share: NDArray[np.float64]) -> None:
    """Give every point wholly to the nearest mean, the first of equals."""
    share[:] = 0.0
    for point in range(len(points)):
        best, smallest = 0, np.inf
        for component in range(len(means)):
            distance = _squared_distance(points[point], means[component])
            if distance < smallest:
                best, smallest = component, distance
        share[point, best] = 1.0


@njit(cache=True, nogil=True)
def _maximise(
    points: NDArray[np.float64], share: NDArray[np.float64], floor: NDArray[np.float64],
    weights: NDArray[np.float64], means: NDArray[np.float64], variances: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fit every Gaussian to its shares of the points; one without any keeps its mean."""
    count, axes = points.shape
    mass, sums, squares = np.zeros(len(means)), np.zeros(means.shape), np.zeros(means.shape)
    for point in range(count):
        for component in range(len(means)):
            own = share[point, component]
            mass[component] += own
            for axis in range(axes):
                moment = own * points[point, axis]
                sums[component, axis] += moment
                squares[component, axis] += moment * points[point, axis]
    for component in range(len(means)):
        whole = max(mass[component], 1e-12)
        weights[component] = whole / count
        for axis in range(axes):
            if mass[component] > 1e-12:
                means[component, axis] = sums[component, axis] / whole
            variance = squares[component, axis] / whole - means[component, axis] ** 2
            variances[component, axis] = max(variance, floor[axis])


@njit(cache=True, nogil=True)
def _constants(weights: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of each Gaussian's weight times its density at its mean."""
    constants = np.log(weights)
    for component in range(len(weights)):
        for axis in range(variances.shape[1]):
            constants[component] -= 0.5 * np.log(2.0 * np.pi * variances[component, axis])
    return constants


@njit(cache=True, nogil=True)
def _expect(
    points: NDArray[np.float64], weights: NDArray[np.float64], means: NDArray[np.float64],
    variances: NDArray[np.float64], share: NDArray[np.float64],
) -> float:  # fmt: skip
    """Share the points between the Gaussians; return the log-likelihood."""
    components, axes = means.shape
    constants, halves = _constants(weights, variances), 0.5 / variances
    likelihood = 0.0
    for point in range(len(points)):
        highest = -np.inf
        for component in range(components):
            exponent = constants[component]
            for axis in range(axes):
                away = points[point, axis] - means[component, axis]
                exponent -= away * away * halves[component, axis]
            share[point, component] = exponent
            highest = max(highest, exponent)
        total = 0.0
        for component in range(components):
            share[point, component] = np.exp(share[point, component] - highest)
            total += share[point, component]
        for component in range(components):
            share[point, component] /= total
        likelihood += highest + np.log(total)
    return likelihood


@njit(cache=True, nogil=True)
def _fit(
    points: NDArray[np.float64], draws: NDArray[np.float64], floor: NDArray[np.float64], share: NDArray[np.float64]
) -> float:
    """Fit as many Gaussians as there are draws, from one start; return the log-likelihood of the last shares."""
    components, axes = len(draws), points.shape[1]
    means = _spread_seeds(points, draws)
    weights, variances = np.empty(components), np.empty((components, axes))
    for _ in range(_SWEEPS):
        _assign(points, means, share)
        _maximise(points, share, floor, weights, means, variances)
    before = -np.inf
    likelihood = _expect(points, weights, means, variances, share)
    for _ in range(_ITERATIONS):
        if likelihood - before <= _TOLERANCE * len(points):
            break
        _maximise(points, share, floor, weights, means, variances)
        before = likelihood
        likelihood = _expect(points, weights, means, variances, share)
    return float(likelihood)


@njit(cache=True, nogil=True)
def _label(share: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
    """Give every point to the Gaussian of its largest share; return how few points one has."""
    sizes = np.zeros(share.shape[1], np.int64)
    for point in range(len(share)):
        labels[point] = np.argmax(share[point])
        sizes[labels[point]] += 1
    return int(sizes.min())


@njit(cache=True, nogil=True)
def _choose(
    points: NDArray[np.float64], draws: NDArray[np.float64], floor: NDArray[np.float64], bic: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit 1, 2, ... Gaussians until two successive numbers are not clearly better; return the shares of the best."""
    count, axes = points.shape
    labels, kept = np.empty(count, np.int64), np.ones((count, 1))
    for components in range(1, len(bic) + 1):
        share, best = np.empty((count, components)), np.empty((count, components))
        highest = -np.inf
        for start in range(draws.shape[1] if components > 1 else 1):
            likelihood = _fit(points, draws[components - 1, start, :components], floor, share)
            if likelihood > highest:
                highest = likelihood
                best[:] = share
        parameters = 2 * components * axes + components - 1
        if components == 1 or _label(best, labels) >= FEWEST:
            bic[components - 1] = parameters * np.log(count) - 2.0 * highest
        if components == 1 or bic[components - 1] < bic[kept.shape[1] - 1] - MARGIN:
            kept = best
        elif components >= kept.shape[1] + 2:
            break
    return kept


@njit(cache=True, nogil=True)
def _log_density(
    point: NDArray[np.float64], constants: NDArray[np.float64], means: NDArray[np.float64],
    variances: NDArray[np.float64],
) -> float:  # fmt: skip
    exponents = constants.copy()
    for component in range(len(means)):
        for axis in range(len(point)):
            exponents[component] -= 0.5 * (point[axis] - means[component, axis]) ** 2 / variances[component, axis]
    highest = exponents.max()
    return float(highest + np.log(np.exp(exponents - highest).sum()))


@njit(cache=True, nogil=True)
def _dip(
    one: int, other: int, constants: NDArray[np.float64], means: NDArray[np.float64], variances: NDArray[np.float64]
) -> float:
    """Return the lowest density along the ridge line of two Gaussians over the lower of its ends."""
    lowest, ends = np.inf, np.inf
    for step in range(_STEPS + 1):
        near, far = (1.0 - step / _STEPS) / variances[one], (step / _STEPS) / variances[other]
        place = (near * means[one] + far * means[other]) / (near + far)
        density = _log_density(place, constants, means, variances)
        lowest = min(lowest, density)
        if step in (0, _STEPS):
            ends = min(ends, density)
    return float(np.exp(lowest - ends))


@njit(cache=True, nogil=True)
def _clusters(
    constants: NDArray[np.float64], means: NDArray[np.float64], variances: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return a number for each Gaussian, the same for those that are tied by others between which nothing dips."""
    cluster = np.arange(len(means))
    for one in range(len(means)):
        for other in range(one):
            if cluster[one] != cluster[other] and _dip(one, other, constants, means, variances) > DIP:
                cluster[cluster == cluster[one]] = cluster[other]
    return cluster


@dataclass(frozen=True)
class Mixture:
    """The mixture chosen by BIC, and the clusters that it shows.

    Attributes
    ----------
    labels : int64 ndarray of shape (n,)
        Cluster of each point: 0 holds most points, ties to the one with the first point.
    clusters : int
        How many there are.
    gaussians : int
        How many Gaussians they are made of.
    bic : float64 ndarray of shape (8,)
        BIC of 1, 2, ... Gaussians; infinite where one holds fewer than 5 points or the number was not tried.
    weights : float64 ndarray of shape (gaussians,)
        Shares of the points.
    means, variances : float64 ndarrays of shape (gaussians, d)
        Of the Gaussians.
    cluster : int64 ndarray of shape (gaussians,)
        Cluster that each belongs to; -1 for one that is the likeliest of no point.
    """

    labels: NDArray[np.int64]
    clusters: int
    gaussians: int
    bic: NDArray[np.float64]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    cluster: NDArray[np.int64]

    @property
    def gain(self) -> float:
        """By how much BIC is below that of a single Gaussian."""
        return float(self.bic[0] - self.bic[self.gaussians - 1])

    def assign(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cluster of the likeliest Gaussian for each of m points (m, d), int64 of shape (m,)."""
        mine = np.flatnonzero(self.cluster >= 0)
        share = np.empty((len(points), len(mine)))
        _expect(np.ascontiguousarray(points), self.weights[mine], self.means[mine], self.variances[mine], share)
        return np.asarray(self.cluster[mine][share.argmax(axis=1)], np.int64)


def fit_mixture(points: NDArray[np.float64], seed: int) -> Mixture:
    """Fit mixtures of 1 to 8 Gaussians and return the clusters of the one that BIC chooses.

    Parameters
    ----------
    points : float64 ndarray of shape (n, d)
        At least one point, about their mean; every axis varies.
    seed : int
        Starts are drawn by it.
    """
    # raw bits alone are the same in all versions of numpy
    drawn = (np.random.PCG64(seed).random_raw(MOST * STARTS * MOST) >> np.uint64(11)) * 2.0**-53
    points, bic, floor = np.ascontiguousarray(points), np.full(MOST, np.inf), FLOOR * points.var(axis=0)
    share = _choose(points, drawn.reshape(MOST, STARTS, MOST), floor, bic)
    gaussians = share.shape[1]
    weights, means = np.empty(gaussians), np.empty((gaussians, points.shape[1]))
    variances = np.empty_like(means)
    _maximise(points, share, floor, weights, means, variances)
    labels = np.empty(len(points), np.int64)
    _label(share, labels)
    found = _by_size(_clusters(_constants(weights, variances), means, variances)[labels])
    cluster = np.full(gaussians, -1)
    cluster[labels] = found
    return Mixture(found, int(found.max()) + 1, gaussians, bic, weights, means, variances, cluster)


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels numbered by size, largest first."""
    _, first, number, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return np.asarray(rank[number], np.int64)


__all__ = ["FEWEST", "MOST", "Mixture", "fit_mixture"]
