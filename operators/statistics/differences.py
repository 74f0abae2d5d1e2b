"""Intervals of differences between two independent groups: of shares, and of means or medians; and of averages of these."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.statistics.wilson import wilson

#: Draws of a bootstrap, and the ends of a 95 % interval.
DRAWS, ENDS = 2000, (0.025, 0.975)

Interval = tuple[float, float, float]


def difference_of_shares(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """Return the second share less the first, and the ends of its 95 % interval; NaN where a group is empty.

    Parameters
    ----------
    first, second : (int, int)
        How often something came about in each group, and in how many trials.

    References
    ----------
    Newcombe 1998, Interval estimation for the difference between independent proportions: method 10.
    """
    successes, trials = (np.array(values, np.int64) for values in zip(first, second, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = successes / trials
    low, high = wilson(successes, trials)
    below, above = share - low, high - share
    difference = float(share[1] - share[0])
    return (
        difference,
        difference - float(np.hypot(below[1], above[0])),
        difference + float(np.hypot(above[1], below[0])),
    )


def difference_of(
    statistic: Callable[..., NDArray[np.float64]], first: NDArray[np.float64], second: NDArray[np.float64], seed: int
) -> Interval:
    """Return a statistic of the second group less that of the first, and its 95 % interval by bootstrap over both.

    Parameters
    ----------
    statistic : callable
        Of values along an axis, as numpy's mean and median: ``statistic(values, axis=1)``.
    first, second : float64 ndarray of shape (n,) and (m,)
        Values of the groups; NaN is left out, and without any value all is NaN.
    seed : int
        Of the draws.
    """
    groups = [values[~np.isnan(values)] for values in (first, second)]
    if not all(map(len, groups)):
        return float("nan"), float("nan"), float("nan")
    random = np.random.default_rng(seed)
    drawn = [statistic(values[random.integers(len(values), size=(DRAWS, len(values)))], axis=1) for values in groups]
    low, high = np.quantile(drawn[1] - drawn[0], ENDS)
    found = [float(statistic(values[None], axis=1)[0]) for values in groups]
    return found[1] - found[0], float(low), float(high)


def average(intervals: NDArray[np.float64]) -> Interval:
    """Return the mean of independent estimates and its interval, from those of each.

    Parameters
    ----------
    intervals : float64 ndarray of shape (k, 3)
        Estimate and ends of each, k at least 1.

    References
    ----------
    Zou and Donner 2008, Construction of confidence limits about effect measures: variances are recovered from the ends.
    """
    mean = float(intervals[:, 0].mean())
    below, above = (np.sqrt(((intervals[:, end] - intervals[:, 0]) ** 2).sum()) / len(intervals) for end in (1, 2))
    return mean, mean - float(below), mean + float(above)


__all__ = ["DRAWS", "Interval", "average", "difference_of", "difference_of_shares"]
