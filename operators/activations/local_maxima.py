"""Peaks of filters: the local maxima of maps above each unit's threshold, the strongest kept while image blocks stream by.

A map without a spatial maximum, all its values equal, has no peak.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.activations.peaks import _is_constant

_MAGNITUDE = np.int16(0x7FFF)


@njit(cache=True, nogil=True)
def _key(pattern: np.int16) -> np.int16:
    """Turn sign and magnitude into two's complement, so that patterns sort like the numbers."""
    return np.int16(pattern ^ ((pattern >> 15) & _MAGNITUDE))


@njit(cache=True, nogil=True)
def _is_peak(values: NDArray[np.int16], row: int, column: int) -> bool:
    height, width = values.shape
    own = _key(values[row, column])
    for i in range(max(row - 1, 0), min(row + 2, height)):
        for j in range(max(column - 1, 0), min(column + 2, width)):
            other = _key(values[i, j])
            # of equal neighbours the first is the peak
            if other > own or (other == own and i * width + j < row * width + column):
                return False
    return True


@njit(cache=True, nogil=True)
def _scan(
    patterns: NDArray[np.int16], maxima: NDArray[np.int16], thresholds: NDArray[np.int16], fill: bool,
    unit: NDArray[np.int64], view: NDArray[np.int64], position: NDArray[np.int64],
) -> int:  # fmt: skip
    """Count the peaks, and note them if asked."""
    images, units, height, width = patterns.shape
    found = 0
    for u in range(units):
        lowest = _key(thresholds[u])
        for image in range(images):
            if _key(maxima[image, u]) <= lowest or _is_constant(patterns[image, u].ravel()):
                continue
            values = patterns[image, u]
            for row in range(height):
                for column in range(width):
                    if _key(values[row, column]) > lowest and _is_peak(values, row, column):
                        if fill:
                            unit[found], view[found], position[found] = u, image, row * width + column
                        found += 1
    return found


@dataclass(frozen=True)
class LocalMaxima:
    """P peaks of U units, by unit, strongest first, ties by lower view and then position; merges in any order.

    Attributes
    ----------
    unit, view, position : int64 ndarrays of shape (P,)
        Unit, number of the view, and row-major map position.
    value : float32 ndarray of shape (P,)
        Activation there.
    count : int64 ndarray of shape (U,)
        Peaks of each unit, kept or not.
    """

    unit: NDArray[np.int64]
    view: NDArray[np.int64]
    position: NDArray[np.int64]
    value: NDArray[np.float32]
    count: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int) -> Self:
        """Return the peaks of no views."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, np.zeros(0, np.float32), np.zeros(units, np.int64))

    @classmethod
    def of(
        cls,
        activations: NDArray[np.float16],
        maxima: NDArray[np.float32],
        thresholds: NDArray[np.float32],
        views: NDArray[np.int64],
    ) -> Self:
        """Find all peaks of a block of n views.

        Parameters
        ----------
        activations : float16 ndarray of shape (n, U, height, width)
            Raw maps, without NaN and negative zero.
        maxima : float32 ndarray of shape (n, U)
            Maximum of each map, a float16 number.
        thresholds : float32 ndarray of shape (U,)
            T of each unit, a float16 number; peaks are above it.
        views : int64 ndarray of shape (n,)
            Numbers of the views.
        """
        patterns = np.ascontiguousarray(activations).view(np.int16)
        # adding zero turns -0.0 into 0.0
        highest, lowest = (np.ascontiguousarray(part + 0, np.float16).view(np.int16) for part in (maxima, thresholds))
        none = np.zeros(0, np.int64)
        count = _scan(patterns, highest, lowest, False, none, none, none)
        unit, image, position = (np.empty(count, np.int64) for _ in range(3))
        _scan(patterns, highest, lowest, True, unit, image, position)
        row, column = np.divmod(position, activations.shape[3])
        value = activations[image, unit, row, column].astype(np.float32)
        return cls(unit, views[image], position, value, np.bincount(unit, minlength=activations.shape[1]))

    def merge(self, other: "LocalMaxima", keep: int) -> "LocalMaxima":
        """Merge with the peaks of other views; keep at most `keep` per unit."""
        unit, view, position, value = (
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("unit", "view", "position", "value")
        )
        order = np.lexsort((position, view, -value, unit))
        rank = np.arange(len(order)) - np.searchsorted(unit[order], unit[order])
        order = order[rank < keep]
        return LocalMaxima(unit[order], view[order], position[order], value[order], self.count + other.count)
