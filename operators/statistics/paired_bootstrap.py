"""Does a unit scatter less than a baseline on the same images? A bootstrap over source images.

Every draw gives each source image an independent Poisson(1) weight, which stands for how often it is drawn with
replacement; a unit and its baselines get the same weights, and views of one image always share theirs. A weight belongs
to a rank among the images, not to a worker, so that results do not depend on how units are cut into blocks.

References
----------
J. A. Hanley and B. MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies, 2006.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Bootstrap draws.
DRAWS = 1000

#: Squared distances that differ by less are equal: where a draw holds one image alone, rounding must not decide.
_ROUNDING = np.float32(1e-7)

#: Poisson(1) is above this with probability 1e-17.
_LARGEST_WEIGHT = 18


def poisson_weights(images: int, seed: int, draws: int = DRAWS) -> NDArray[np.float32]:
    """Return weights of shape (images, draws), whole numbers; those of the first images do not depend on `images`."""
    cumulative = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(_LARGEST_WEIGHT)])
    # raw bits alone are the same in all versions of numpy
    uniform = (np.random.PCG64(seed).random_raw(images * draws) >> np.uint64(11)) * 2.0**-53
    return np.searchsorted(cumulative, uniform, side="right").reshape(images, draws).astype(np.float32)


@njit(cache=True, nogil=True)
def _first_of_group(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each entry, the place of the first entry of the same group."""
    first = np.arange(len(groups))
    for entry in range(len(groups)):
        for earlier in range(entry):
            if groups[earlier] == groups[entry]:
                first[entry] = earlier
                break
    return first


@njit(cache=True, nogil=True)
def _weighted_sums(
    values: NDArray[np.float32], rows: NDArray[np.int64], weights: NDArray[np.float32], sums: NDArray[np.float32]
) -> None:
    """Sum each series (values of shape (series, n), n a multiple of 4) with the weights of every draw."""
    sums[:] = 0
    for image in range(0, len(rows), 4):
        w, x = weights[rows[image]], weights[rows[image + 1]]
        y, z = weights[rows[image + 2]], weights[rows[image + 3]]
        for series in range(len(values)):
            a, b, c, d = values[series, image : image + 4]
            total = sums[series]
            for draw in range(len(total)):
                total[draw] += (w[draw] * a + x[draw] * b) + (y[draw] * c + z[draw] * d)


@njit(cache=True, nogil=True)
def _prepare(distances: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Write what is summed: 1, each series d less its mean, and the baselines' d^2 less the unit's."""
    values[:] = 0
    counts = ~np.isnan(distances[0])
    series = len(distances)
    for s in range(series):
        mean = distances[s][counts].mean()
        for image in range(distances.shape[1]):
            if counts[image]:
                values[0, image] = 1
                values[1 + s, image] = distances[s, image] - mean
    for s in range(1, series):
        for image in range(distances.shape[1]):
            values[series + s, image] = values[1 + s, image] ** 2 - values[1, image] ** 2


@njit(cache=True, nogil=True)
def _count_draws(
    distances: NDArray[np.float64], groups: NDArray[np.int64], weights: NDArray[np.float32], count: NDArray[np.int64]
) -> None:
    _, series, images = distances.shape
    padded, draws = -(-images // 4) * 4, weights.shape[1]
    values, sums = np.zeros((2 * series, padded), np.float32), np.empty((2 * series, draws), np.float32)
    rows = np.zeros(padded, np.int64)
    for row in range(len(distances)):
        rows[:images] = _first_of_group(groups[row])
        _prepare(distances[row], values[:, :images])
        _weighted_sums(values, rows, weights, sums)
        for baseline in range(1, series):
            worse = 0
            for draw in range(draws):
                # n (n - 1) times the difference of the two variances
                size, own, other = sums[0, draw], sums[1, draw], sums[1 + baseline, draw]
                more = sums[series + baseline, draw] * size - (other * other - own * own)
                worse += more <= _ROUNDING * size * size
            count[row, baseline - 1] = worse


def p_values(
    distances: NDArray[np.float64], groups: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return how often a unit scatters at least as much as each of its P baselines, for R units on n images each.

    Parameters
    ----------
    distances : float64 ndarray of shape (R, 1 + P, n)
        Of the unit and then of its baselines, of the order of 1; NaN where an image does not count.
    groups : int64 ndarray of shape (R, n)
        Source image of each.
    weights : float32 ndarray of shape (at least n, draws)
        From `poisson_weights`.

    Returns
    -------
    float64 ndarray of shape (R, P)
        (draws + 1) / (all draws + 1), one-sided: small where the unit scatters less.
    """
    count = np.zeros((distances.shape[0], distances.shape[1] - 1), np.int64)
    _count_draws(np.ascontiguousarray(distances), np.ascontiguousarray(groups, np.int64), weights, count)
    return np.asarray((count + 1) / (weights.shape[1] + 1), np.float64)
