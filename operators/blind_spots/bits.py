"""Binary features of many views, 64 views to a word."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Conditions of a conjunction at most.
LONGEST = 3


def packed(items: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return n views and m features, bool of shape (n, m), as words of shape (m, ceil(n / 64)); bits beyond n are 0."""
    views, count = items.shape
    words = np.zeros((count, -(-views // 64) * 8), np.uint8)
    bits = np.packbits(items.T, axis=1, bitorder="little")
    words[:, : bits.shape[1]] = bits
    return words.view("<u8").astype(np.uint64)


@njit(cache=True, nogil=True, inline="always")
def ones(word: np.uint64) -> int:
    """Return how many bits of a word are 1."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def meet(words: NDArray[np.uint64], pattern: NDArray[np.int64], found: NDArray[np.uint64]) -> None:
    """Write into `found` which views meet all conditions of a pattern: features by number, -1 for none."""
    found[:] = words[pattern[0]]
    for place in range(1, len(pattern)):
        if pattern[place] >= 0:
            found &= words[pattern[place]]


__all__ = ["LONGEST", "meet", "ones", "packed"]
