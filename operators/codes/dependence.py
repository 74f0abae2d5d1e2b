"""How much codes tell of factors: mutual information above that of permuted images, and rank correlation."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import rankdata

#: Bins of equal count that a value of more levels is cut into.
BINS = 20
#: Permutations of the images.
PERMUTATIONS = 50


class Association(NamedTuple):
    """What K codes tell of M factors; each float64 of shape (K, M).

    Attributes
    ----------
    information, null : ndarray
        Mutual information, nats, and its mean over permuted images; NaN for a factor that does not vary.
    p : ndarray
        Share of permutations, of all codes with the factor, in which a code stands out as far; NaN likewise.
    """

    information: NDArray[np.float64]
    null: NDArray[np.float64]
    p: NDArray[np.float64]


def binned(values: NDArray[np.floating], bins: int = BINS) -> NDArray[np.int32]:
    """Cut each column into bins of equal count, unless it has no more levels than bins: then these are the bins.

    Parameters
    ----------
    values : ndarray of shape (n, K)
        Finite.
    bins : int
        At most.

    Returns
    -------
    int32 ndarray of shape (n, K)
        Numbers of bins; equal values share one.
    """
    found = np.empty(values.shape, np.int32)
    for column in range(values.shape[1]):
        levels, level = np.unique(values[:, column], return_inverse=True)
        if len(levels) > bins:
            level = ((rankdata(values[:, column], "min") - 1) * bins / len(values)).astype(np.int64)
        found[:, column] = level
    return found


@njit(cache=True, nogil=True)
def _information(a: NDArray[np.int32], b: NDArray[np.int32], counts: NDArray[np.int64]) -> float:
    """Return the mutual information of two columns of bins; `counts` is room for their table."""
    counts[:] = 0
    rows, columns = np.zeros(counts.shape[0], np.int64), np.zeros(counts.shape[1], np.int64)
    for at in range(len(a)):
        counts[a[at], b[at]] += 1
        rows[a[at]] += 1
        columns[b[at]] += 1
    found, n = 0.0, len(a)
    for i in range(counts.shape[0]):
        for j in range(counts.shape[1]):
            if counts[i, j]:
                found += counts[i, j] / n * np.log(counts[i, j] * n / (rows[i] * columns[j]))
    return max(found, 0.0)


@njit(cache=True, nogil=True)
def _informations(codes: NDArray[np.int32], factor: NDArray[np.int32], found: NDArray[np.float64]) -> None:
    counts = np.empty((codes.max() + 1, factor.max() + 1), np.int64)
    for code in range(codes.shape[1]):
        found[code] = _information(codes[:, code], factor, counts)


def mutual_information(codes: NDArray[np.int32], factor: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the mutual information, nats, of each column of bins, shape (n, K), with bins of shape (n,): float64 (K,)."""
    found = np.zeros(codes.shape[1])
    _informations(np.asfortranarray(codes), np.ascontiguousarray(factor), found)
    return found


def entropy(factor: NDArray[np.int32]) -> float:
    """Return the entropy of bins, nats."""
    share = np.bincount(factor) / len(factor)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def association(codes: NDArray[np.floating], factors: NDArray[np.floating], seed: int) -> Association:
    """Measure what codes tell of factors, beside what they tell of permuted ones.

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        Finite.
    factors : ndarray of shape (n, M)
        NaN where an image's is not known; such images are left out of it.
    seed : int
        Of the permutations.

    Notes
    -----
    Information of finite samples is biased upwards, by another amount for each pair of numbers of bins. So a code's is compared
    in standard deviations of its own permutations, and these are pooled over the codes: p reaches down to 1 / (50 K + 1).
    """
    shape = codes.shape[1], factors.shape[1]
    information, null, p = (np.full(shape, np.nan) for _ in range(3))
    for number in range(shape[1]):
        known = ~np.isnan(factors[:, number])
        if len(np.unique(factors[known, number])) < 2:
            continue
        own = binned(codes[known])
        bins = binned(factors[known, number : number + 1])[:, 0]
        random = np.random.Generator(np.random.PCG64([seed % 2**63, number]))
        permuted = np.stack([mutual_information(own, random.permutation(bins)) for _ in range(PERMUTATIONS)])
        information[:, number] = mutual_information(own, bins)
        null[:, number], spread = permuted.mean(axis=0), permuted.std(axis=0)
        spread = np.where(spread > 0, spread, np.inf)
        scores = np.sort(((permuted - null[:, number]) / spread).ravel())
        score = (information[:, number] - null[:, number]) / spread
        p[:, number] = (1 + len(scores) - np.searchsorted(scores, score, "left")) / (1 + len(scores))
    return Association(information, null, p)


def spearman(codes: NDArray[np.floating], factors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rank correlation of each code with each factor: float64 of shape (K, M); NaN where either does not vary."""
    found = np.full((codes.shape[1], factors.shape[1]), np.nan)
    for number in range(factors.shape[1]):
        known = ~np.isnan(factors[:, number])
        found[:, number] = _correlation(_ranks(codes[known]), _ranks(factors[known, number : number + 1])[:, 0])
    return found


def partial_spearman(codes: NDArray[np.floating], factors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rank correlation of each code with each factor given the others: float64 of shape (K, M).

    Ranks of code and factor are taken less what a least-squares fit on the ranks of the other factors says, over the images
    of which all are known. NaN where nothing varies any more.
    """
    known = ~np.isnan(factors).any(axis=1)
    found = np.full((codes.shape[1], factors.shape[1]), np.nan)
    if known.sum() <= factors.shape[1] + 1:
        return found
    own, others = _ranks(codes[known]), _ranks(factors[known])
    for number in range(factors.shape[1]):
        base = np.column_stack([np.ones(len(own)), np.delete(others, number, axis=1)])
        left = np.column_stack([others[:, number], own])
        left = left - base @ np.linalg.lstsq(base, left, rcond=None)[0]
        left[:, left.std(axis=0) < 1e-9 * len(left)] = 0  # what rounding leaves of nothing
        found[:, number] = _correlation(left[:, 1:], left[:, 0])
    return found


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(rankdata(values, axis=0), np.float64)


def _correlation(columns: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    one, two = columns - columns.mean(axis=0), other - other.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((one * two[:, None]).sum(axis=0) / np.sqrt((one**2).sum(axis=0) * (two**2).sum()))


__all__ = [
    "BINS",
    "PERMUTATIONS",
    "Association",
    "association",
    "binned",
    "entropy",
    "mutual_information",
    "partial_spearman",
    "spearman",
]
