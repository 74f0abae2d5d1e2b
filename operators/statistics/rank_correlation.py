"""Rank correlations over networks, with an interval from resampled networks, beside what permuted networks give.

References
----------
C. Spearman, The proof and measurement of association between two things, 1904.
B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3 (percentile interval).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

#: Bootstrap draws, and permutations.
DRAWS = 2000
#: What an interval leaves out on either side.
_TAIL = 0.025

Floats = NDArray[np.float64]


class Correlation(NamedTuple):
    """A rank correlation with its control.

    Attributes
    ----------
    rho : float
        Spearman's rank correlation; NaN where one side is constant.
    low, high : float
        Ends of its 95 % percentile interval over resampled networks; NaN for fewer than two of them, or where most samples
        are constant.
    chance_low, chance_high : float
        Ends of the central 95 % of what permuted networks give.
    p : float
        Share of permutations that are as far from 0 or farther, two-sided, the data themselves counted among them.
    """

    rho: float
    low: float
    high: float
    chance_low: float
    chance_high: float
    p: float


_NOTHING = Correlation(*(float("nan"),) * 6)


def spearman(x: Floats, y: Floats) -> Floats:
    """Return Spearman's rank correlation of the rows of two float64 arrays (..., n), ties at their mean; NaN if constant."""
    # a product of ranks of unit length
    return np.asarray((_ranks(x) * _ranks(y)).sum(axis=-1), np.float64)


def _ranks(values: Floats) -> Floats:
    """Return ranks less their mean, scaled to a sum of squares of 1; NaN where all are equal."""
    ranks = rankdata(values, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(ranks / np.sqrt((ranks**2).sum(axis=-1, keepdims=True)), np.float64)


def _permuted(x: Floats, y: Floats, dice: np.random.Generator) -> Floats:
    """Return the correlations of x with permutations of y, as many as `DRAWS`."""
    return dice.permuted(np.tile(_ranks(y), (DRAWS, 1)), axis=1) @ _ranks(x)


def over_networks(x: Floats, y: Floats, seed: int) -> Correlation:
    """Correlate two numbers of networks.

    Parameters
    ----------
    x, y : float64 ndarray of shape (networks,)
        Finite.
    seed : int
        Of the resampling and of the permutations.
    """
    rho = float(spearman(x, y))
    if not np.isfinite(rho):
        return _NOTHING
    dice = np.random.default_rng(seed)
    drawn = dice.integers(len(x), size=(DRAWS, len(x)))
    return _judged(rho, spearman(x[drawn], y[drawn]), _permuted(x, y, dice))


def within_networks(pairs: Sequence[tuple[Floats, Floats]], seed: int) -> Correlation:
    """Average a correlation within each network over networks; networks are resampled, and values permuted within each.

    Parameters
    ----------
    pairs : sequence of (float64 ndarray, float64 ndarray)
        Two numbers of the layers of each network, of shape (layers,); networks with a constant side do not count.
    seed : int
        As of `over_networks`.
    """
    own = [(x, y, float(spearman(x, y))) for x, y in pairs]
    own = [each for each in own if np.isfinite(each[2])]
    if not own:
        return _NOTHING
    dice = np.random.default_rng(seed)
    rhos = np.array([rho for _, _, rho in own])
    drawn = rhos[dice.integers(len(own), size=(DRAWS, len(own)))].mean(axis=1)
    chance = np.zeros(DRAWS)
    for x, y, _ in own:
        chance += _permuted(x, y, dice) / len(own)
    return _judged(float(rhos.mean()), drawn if len(own) > 1 else np.empty(0), chance)


def _judged(rho: float, drawn: Floats, chance: Floats) -> Correlation:
    known = drawn[np.isfinite(drawn)]
    enough = len(known) > len(drawn) / 2
    low, high = np.quantile(known, (_TAIL, 1 - _TAIL)) if enough else (np.nan, np.nan)
    chance_low, chance_high = np.quantile(chance, (_TAIL, 1 - _TAIL))
    # rounding must not decide whether a permutation that is the data counts
    farther = int((np.abs(chance) >= abs(rho) - 1e-9).sum())
    return Correlation(
        rho, float(low), float(high), float(chance_low), float(chance_high), (farther + 1) / (len(chance) + 1)
    )


__all__ = ["DRAWS", "Correlation", "over_networks", "spearman", "within_networks"]
