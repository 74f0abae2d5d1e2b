"""Frequent conjunctions of binary features.

References
----------
R. Agrawal and R. Srikant, Fast algorithms for mining association rules, 1994, section 2.1.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.blind_spots.bits import LONGEST, meet, ones

Pattern = tuple[int, ...]


@njit(cache=True, nogil=True)
def _count(words: NDArray[np.uint64], patterns: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    met = np.empty(words.shape[1], np.uint64)
    for pattern in range(len(patterns)):
        meet(words, patterns[pattern], met)
        for word in met:
            counts[pattern] += ones(word)


def frequent(words: NDArray[np.uint64], least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the conjunctions of one to three features that enough views meet.

    Parameters
    ----------
    words : uint64 ndarray of shape (m, w)
        Features, as `bits.packed` gives them.
    least : int
        Views that must meet a conjunction, at least 1.

    Returns
    -------
    patterns : int64 ndarray of shape (p, 3)
        Features of each by number, ascending, -1 after the last; short ones first, then in order of their features.
    views : int64 ndarray of shape (p,)
        How many views meet each.
    """
    found, counts = [], []
    candidates: list[Pattern] = [(feature,) for feature in range(len(words))]
    for length in range(1, LONGEST + 1):
        if not candidates:
            break
        rows = np.full((len(candidates), LONGEST), -1)
        rows[:, :length] = candidates
        views = np.zeros(len(rows), np.int64)
        _count(words, rows, views)
        kept = views >= least
        found.append(rows[kept])
        counts.append(views[kept])
        candidates = list(_longer([tuple(row) for row in rows[kept, :length].tolist()]))
    if not found:
        return np.empty((0, LONGEST), np.int64), np.empty(0, np.int64)
    return np.concatenate(found), np.concatenate(counts)


def _longer(patterns: list[Pattern]) -> Iterator[Pattern]:
    """Yield the patterns of one more feature whose parts are all frequent, in order."""
    known = set(patterns)
    by_start: dict[Pattern, list[int]] = {}
    for pattern in patterns:
        by_start.setdefault(pattern[:-1], []).append(pattern[-1])
    for start, ends in by_start.items():
        for pair in combinations(ends, 2):
            longer = (*start, *pair)
            if all(longer[:place] + longer[place + 1 :] in known for place in range(len(longer))):
                yield longer


__all__ = ["frequent"]
