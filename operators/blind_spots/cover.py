"""Descriptive partitions: few conjunctions that cover all views, each of views alike in features and confidence.

References
----------
H. Lakkaraju, E. Kamar, R. Caruana and E. Horvitz, Identifying unknown unknowns in the open world, 2017, section 3.1:
descriptive space partitioning.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.blind_spots.bits import meet, ones


@njit(cache=True, nogil=True)
def _sums(
    words: NDArray[np.uint64], patterns: NDArray[np.int64], features: int, confidence: NDArray[np.float64],
    views: NDArray[np.int64], having: NDArray[np.int64], moments: NDArray[np.float64],
) -> None:  # fmt: skip
    """Count the views of each pattern, those with each feature, and sum their confidences and the squares of these."""
    met = np.empty(words.shape[1], np.uint64)
    for pattern in range(len(patterns)):
        meet(words, patterns[pattern], met)
        for place in range(len(met)):
            word = met[place]
            if word == 0:
                continue
            views[pattern] += ones(word)
            for feature in range(features):
                having[pattern, feature] += ones(word & words[feature, place])
            for bit in range(64):
                if word >> np.uint64(bit) & np.uint64(1):
                    value = confidence[64 * place + bit]
                    moments[pattern, 0] += value
                    moments[pattern, 1] += value * value


def costs(
    words: NDArray[np.uint64], patterns: NDArray[np.int64], features: int, confidence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what each view of a pattern costs, float64 of shape (p,): the less, the more the pattern is a kind of its own.

    Parameters
    ----------
    words : uint64 ndarray of shape (m, w)
        Conditions, as `bits.packed` gives them: features first, then others, such as bins of the confidence.
    patterns : int64 ndarray of shape (p, 3)
        As of `apriori.frequent`.
    features : int
        How many of the conditions are features.
    confidence : float64 ndarray of shape (n,)
        Of each view, from 0 to 1.

    Notes
    -----
    With means over pairs of members, and of a member and a view outside: the share of features in which two members differ,
    1 minus that in which member and outsider differ; the squared difference of the confidences of two members, 1 minus that of
    member and outsider; and conditions over features, so that a condition costs as much as a feature that differs. The paper
    subtracts the distances to others. Theirs can be negative, and a negative cost per view makes an overlap a gain; hence
    1 minus. Where no view is outside, the distance to others is 0.
    """
    count = len(confidence)
    views, having = np.zeros(len(patterns), np.int64), np.zeros((len(patterns), features), np.int64)
    moments = np.zeros((len(patterns), 2))
    _sums(words, patterns, features, confidence, views, having, moments)
    total = np.array([confidence.sum(), (confidence**2).sum()])
    everywhere = np.bitwise_count(words[:features]).sum(axis=1, dtype=np.int64)
    outside = np.maximum(count - views, 1)[:, None]
    share, other = having / views[:, None], (everywhere - having) / outside
    inside, beyond = moments / views[:, None], (total - moments) / outside
    alone = (views == count).astype(np.float64)
    wide = max(features, 1)
    within = (2 * share * (1 - share)).sum(axis=1) / wide
    between = (share * (1 - other) + (1 - share) * other).sum(axis=1) / wide * (1 - alone)
    spread = 2 * (inside[:, 1] - inside[:, 0] ** 2).clip(0)
    apart = (inside[:, 1] + beyond[:, 1] - 2 * inside[:, 0] * beyond[:, 0]).clip(0) * (1 - alone)
    conditions = (patterns >= 0).sum(axis=1) / wide
    return np.asarray(within + (1 - between) + spread + (1 - apart) + conditions, np.float64)


@njit(cache=True, nogil=True)
def _newly(
    words: NDArray[np.uint64], patterns: NDArray[np.int64], left: NDArray[np.uint64], fresh: NDArray[np.int64]
) -> None:
    """Count the views of each pattern that nothing covers yet."""
    met = np.empty(words.shape[1], np.uint64)
    for pattern in range(len(patterns)):
        meet(words, patterns[pattern], met)
        fresh[pattern] = 0
        for place in range(len(met)):
            fresh[pattern] += ones(met[place] & left[place])


@dataclass(frozen=True)
class Cover:
    """Patterns that cover the views.

    Attributes
    ----------
    chosen : tuple of int
        Patterns by number, in the order of the cover.
    partition : int64 ndarray of shape (n,)
        For each view the first of `chosen` that it meets, by its place there; their number for views that meet none.
    """

    chosen: tuple[int, ...]
    partition: NDArray[np.int64]


def cover(
    words: NDArray[np.uint64], patterns: NDArray[np.int64], views: NDArray[np.int64], cost: NDArray[np.float64],
    count: int, least: int,
) -> Cover:  # fmt: skip
    """Cover views greedily: always by the pattern of least cost per newly covered view, the first of equals.

    Parameters
    ----------
    words, patterns, views
        As of `apriori.frequent`.
    cost : float64 ndarray of shape (p,)
        Cost of a view of each pattern, positive; that of a pattern is this times its views.
    count : int
        Views, n.
    least : int
        Views that a pattern must newly cover, at least 1; those left when none does are in no partition.
    """
    left = _first_bits(count, words.shape[1])
    fresh, met = np.zeros(len(patterns), np.int64), np.empty(words.shape[1], np.uint64)
    chosen: list[int] = []
    partition = np.full(words.shape[1] * 64, -1)
    while len(patterns):
        _newly(words, patterns, left, fresh)
        enough = fresh >= max(least, 1)
        if not enough.any():
            break
        best = int(np.where(enough, cost * views / np.maximum(fresh, 1), np.inf).argmin())
        meet(words, patterns[best], met)
        members = np.unpackbits((met & left).astype("<u8").view(np.uint8), bitorder="little").astype(bool)
        partition[members] = len(chosen)
        chosen.append(best)
        left &= ~met
    partition = partition[:count]
    partition[partition < 0] = len(chosen)
    return Cover(tuple(chosen), partition)


def _first_bits(count: int, words: int) -> NDArray[np.uint64]:
    """Return `words` words whose first `count` bits are 1."""
    bits = np.zeros(words * 64, np.uint8)
    bits[:count] = 1
    return np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)


__all__ = ["Cover", "costs", "cover"]
