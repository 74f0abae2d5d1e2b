"""Mined relations: how alike the inference patterns of two attribute outputs are on a view."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.statistics.paired_bootstrap import poisson_weights

#: Which elements of a map speak for an attribute.
Mask = Literal["top", "share", "none"]
#: Part of the sum of |v o x| that the elements of `top` hold, and of all elements that `share` keeps.
HELD, KEPT = 0.9, 0.02
#: Bootstrap draws.
DRAWS = 500


def masked(
    gradients: NDArray[np.float32], products: NDArray[np.float32], mask: Mask
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the gradients of attributes with all but the elements that speak for each set to 0.

    Parameters
    ----------
    gradients, products : float32 ndarray of shape (A, E)
        Gradients v of A attributes with respect to the E elements of a layer's maps on one view, and v o x, x being the maps.
    mask : {"top", "share", "none"}
        `top`: the elements of largest v o x in size that together hold 90 % of its sum, `share`: 2 % of all elements,
        `none`: all. Elements as large as the last one are kept too.

    Returns
    -------
    gradients : float32 ndarray of shape (A, E)
        What is left.
    kept : bool ndarray of shape (A, E)
        The mask rho.
    """
    if mask == "none":
        return gradients, np.ones(gradients.shape, np.bool_)
    size = np.abs(products)
    ranked = -np.sort(-size, axis=1)
    if mask == "share":
        last = np.full(len(size), -(-size.shape[1] * KEPT // 1) - 1, np.int64)
    else:
        held = np.cumsum(ranked, axis=1, dtype=np.float64)
        last = (held < HELD * held[:, -1:]).sum(axis=1)
    limit = ranked[np.arange(len(size)), np.minimum(last, size.shape[1] - 1)]
    kept = (size >= limit[:, None]) & (size > 0)
    return np.where(kept, gradients, np.float32(0)), kept


def cosines(patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of every two of A patterns (shape (A, E)), float32 of shape (pairs,), in the order of `pairs_of`.

    NaN where one of the two is 0 everywhere.
    """
    exact = patterns.astype(np.float64)
    exact /= np.maximum(np.abs(exact).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    length = np.sqrt((exact**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (exact @ exact.T) / np.outer(length, length)
    first, second = pairs_of(len(patterns))
    return found[first, second].clip(-1, 1).astype(np.float32)


def pairs_of(attributes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and second attribute of every pair, the first being the lower one."""
    first, second = np.triu_indices(attributes, 1)
    return first.astype(np.int64), second.astype(np.int64)


@dataclass
class Means:
    """Means over views of P values, such as the cosines of pairs, with those of every bootstrap draw; added block by block.

    Attributes
    ----------
    columns : int
        P.
    draws : int
        Bootstrap draws, each of which gives a source image a Poisson(1) weight.
    """

    columns: int
    draws: int = DRAWS
    _count: NDArray[np.int64] = field(init=False)
    _sums: NDArray[np.float64] = field(init=False)
    _drawn: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._count, self._sums = np.zeros(self.columns, np.int64), np.zeros((2, self.columns))
        self._drawn = np.zeros((2, self.draws, self.columns))

    def add(self, found: NDArray[np.floating], seeds: list[int]) -> None:
        """Add views.

        Parameters
        ----------
        found : float ndarray of shape (views, P)
            Values; NaN counts for nothing.
        seeds : list of int
            One per view, the same for views that are drawn together, such as those of one image.
        """
        known = ~np.isnan(found)
        values = np.where(known, found, 0).astype(np.float64)
        self._count += known.sum(axis=0)
        self._sums += values.sum(axis=0), (values**2).sum(axis=0)
        rows = {seed: poisson_weights(1, seed, self.draws)[0] for seed in dict.fromkeys(seeds)}
        weights = np.array([rows[seed] for seed in seeds], np.float64).reshape(len(seeds), self.draws)
        self._drawn += weights.T @ values, weights.T @ known.astype(np.float64)

    @property
    def views(self) -> NDArray[np.int64]:
        """Views on which each value is known, int64 of shape (P,)."""
        return self._count

    def mean(self) -> NDArray[np.float64]:
        """Return the mean of each value, NaN without views."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self._sums[0] / self._count, np.float64)

    def deviation(self) -> NDArray[np.float64]:
        """Return the standard deviation over views, NaN without views."""
        with np.errstate(invalid="ignore"):
            variance = self._sums[1] / self._count - self.mean() ** 2
        return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float64)

    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the 95 % interval of the mean over source images; NaN for what has no view."""
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self._drawn[0] / self._drawn[1]
        found = np.full((2, self.columns), np.nan)
        for pair in np.flatnonzero(self._count):
            here = means[:, pair][~np.isnan(means[:, pair])]
            found[:, pair] = np.quantile(here, [0.025, 0.975]) if len(here) else np.nan
        return found[0], found[1]


__all__ = ["DRAWS", "HELD", "KEPT", "Mask", "Means", "cosines", "masked", "pairs_of"]
