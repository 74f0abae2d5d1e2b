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
_ROUNDING = 1e-12

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
def _add_image(
    distances: NDArray[np.float64], weight: NDArray[np.float32], size: NDArray[np.float64],
    moment: NDArray[np.float64], excess: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add one image to every draw: w, w d of each series, and w (baseline d^2 - unit d^2)."""
    for draw in range(len(weight)):
        size[draw] += weight[draw]
    for series in range(len(distances)):
        d, row = distances[series], moment[series]
        for draw in range(len(weight)):
            row[draw] += weight[draw] * d
    for baseline in range(len(excess)):
        more, row = distances[baseline + 1] ** 2 - distances[0] ** 2, excess[baseline]
        for draw in range(len(weight)):
            row[draw] += weight[draw] * more


@njit(cache=True, nogil=True)
def _count_draws(
    distances: NDArray[np.float64], groups: NDArray[np.int64], weights: NDArray[np.float32], count: NDArray[np.int64]
) -> None:
    series, draws = distances.shape[1], weights.shape[1]
    size, moment, excess = np.empty(draws), np.empty((series, draws)), np.empty((series - 1, draws))
    for row in range(len(distances)):
        size[:], moment[:], excess[:] = 0.0, 0.0, 0.0
        first = _first_of_group(groups[row])
        for image in range(distances.shape[2]):
            if not np.isnan(distances[row, 0, image]):
                _add_image(distances[row, :, image], weights[first[image]], size, moment, excess)
        for baseline in range(series - 1):
            for draw in range(draws):
                # (n - 1) n times the difference of the two variances
                squares = moment[baseline + 1, draw] ** 2 - moment[0, draw] ** 2
                more = excess[baseline, draw] * size[draw] - squares
                count[row, baseline] += more <= _ROUNDING * size[draw] ** 2


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
