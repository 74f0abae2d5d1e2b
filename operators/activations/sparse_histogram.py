"""Histograms over the bit patterns of float16 that hold only the patterns which occur; they merge by addition.

Bins are those of `quantile`. Activations repeat: the 800,000 values of a unit on 64 maps of 112 x 112 take some ten
thousand patterns, so the histogram is a hundredth of their size.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.activations.quantile import BINS, add_to_histogram


@njit(cache=True, nogil=True)
def _occurring(counts: NDArray[np.int64], bins: NDArray[np.uint16], held: NDArray[np.int64], first: int) -> int:
    """Move what one unit's dense counts hold into the sparse ones from `first`, and leave the dense ones zero."""
    place = first
    for number in range(len(counts)):
        if counts[number]:
            bins[place], held[place] = number, counts[number]
            counts[number] = 0
            place += 1
    return place


@njit(cache=True, nogil=True)
def _add(counts: NDArray[np.int64], bins: NDArray[np.uint16], held: NDArray[np.int64], start: int, stop: int) -> None:
    for place in range(start, stop):
        counts[bins[place]] += held[place]


@dataclass(frozen=True)
class SparseHistogram:
    """How often each bit pattern occurs among the activations of U units.

    Attributes
    ----------
    first : int64 ndarray of shape (U + 1,)
        Where the bins of each unit begin.
    bins : uint16 ndarray of shape (n,)
        Bins that occur, ascending for each unit.
    counts : int64 ndarray of shape (n,)
        How often.
    """

    first: NDArray[np.int64]
    bins: NDArray[np.uint16]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int) -> Self:
        """Return the histogram of no values."""
        return cls(np.zeros(units + 1, np.int64), np.empty(0, np.uint16), np.empty(0, np.int64))

    def add(self, activations: NDArray[np.float16]) -> "SparseHistogram":
        """Return the histogram with more activations (float16, shape (images, U, height, width), finite, no -0.0)."""
        images, units, height, width = activations.shape
        dense = np.zeros((1, BINS), np.int64)
        room = len(self.bins) + units * min(BINS, images * height * width)
        first, bins, counts = np.zeros(units + 1, np.int64), np.empty(room, np.uint16), np.empty(room, np.int64)
        for unit in range(units):
            _add(dense[0], self.bins, self.counts, self.first[unit], self.first[unit + 1])
            add_to_histogram(dense, activations[:, unit : unit + 1])
            first[unit + 1] = _occurring(dense[0], bins, counts, first[unit])
        return SparseHistogram(first, bins[: first[-1]].copy(), counts[: first[-1]].copy())

    def add_to(self, counts: NDArray[np.int64], start: int) -> None:
        """Add the units from `start` on to dense counts (int64, shape (units, 65536)) in place."""
        for unit in range(len(counts)):
            _add(counts[unit], self.bins, self.counts, self.first[start + unit], self.first[start + unit + 1])
