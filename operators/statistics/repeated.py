"""What several trials came to on the same images, with an interval over trials and images."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights

#: Bootstrap draws.
DRAWS = 1000

#: From the means of K columns, float64 of shape (..., K), to one number each, of shape (...).
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def means(values: NDArray[np.floating], weights: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Return means over images of what is known.

    Parameters
    ----------
    values : float ndarray of shape (T, n, K)
        K values of n images in T trials; NaN counts for nothing.
    weights : float32 ndarray of shape (n, draws), optional
        Of the images; without, each weighs alike.

    Returns
    -------
    float64 ndarray of shape (T, draws, K), or (T, 1, K)
        NaN where nothing is known.
    """
    known = ~np.isnan(values)
    of = np.ones((values.shape[1], 1)) if weights is None else weights.astype(np.float64)
    sums = [of.T @ np.where(here, trial, 0).astype(np.float64) for trial, here in zip(values, known, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.stack(sums) / np.stack([of.T @ here.astype(np.float64) for here in known]), np.float64)


class Repeated:
    """Draws trials and images, for all statistics alike.

    Parameters
    ----------
    group : int64 ndarray of shape (n,)
        Images that are drawn together have one number.
    trials : int
        T, of each side.
    draws : int
        Bootstrap draws.
    """

    def __init__(self, group: NDArray[np.int64], trials: int, draws: int = DRAWS) -> None:
        seed = seed_of("repeated", trials, len(group))
        _, place = np.unique(group, return_inverse=True)
        self._images = poisson_weights(int(place.max()) + 1 if len(place) else 0, seed % 2**64, draws)[place]
        shares = np.random.default_rng(seed).multinomial(trials, np.full(trials, 1 / trials), draws)
        self._trials = shares.T / trials

    def drawn(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the means of every draw, of shape (T, draws, K), of values as those of `means`."""
        return means(values, self._images)

    def interval(self, drawn: NDArray[np.float64], statistic: Statistic) -> tuple[float, float]:
        """Return the 95 % interval of a statistic, averaged over trials; NaN where it is known in no draw."""
        found = self._averaged(statistic(drawn))
        return (np.nan, np.nan) if not len(found) else tuple(np.quantile(found, [0.025, 0.975]).tolist())

    def difference(
        self, drawn: NDArray[np.float64], other: NDArray[np.float64], statistic: Statistic
    ) -> tuple[float, float]:
        """Return the 95 % interval of a statistic less that of other trials on the same images, trial by trial."""
        return self.interval(drawn, lambda own: statistic(own) - statistic(other))

    def _averaged(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        average = (found * self._trials).sum(axis=0)
        return np.asarray(average[~np.isnan(average)], np.float64)


__all__ = ["DRAWS", "Repeated", "Statistic", "means"]
