"""Exact thresholds of several parts of the images at once, from one histogram of each fold.

A part is a union of folds, such as all but one of them. As in `quantile`, a count for every bit pattern loses nothing.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.activations.quantile import _ZERO, BINS, bin_values


@njit(cache=True, nogil=True)
def _count(
    bits: NDArray[np.int16], fold: NDArray[np.int64], counts: NDArray[np.uint32], highest: NDArray[np.int64]
) -> None:
    images, units, positions = bits.shape
    for unit in range(units):
        top = highest[unit]
        for image in range(images):
            own = fold[image]
            for position in range(positions):
                pattern = bits[image, unit, position]
                key = np.uint16(pattern ^ ((pattern >> 15) | _ZERO))
                counts[unit, key, own] += np.uint32(1)
                top = max(top, np.int64(key))
        highest[unit] = top


@njit(cache=True, nogil=True)
def _descend(
    counts: NDArray[np.uint32], highest: NDArray[np.int64], parts: NDArray[np.bool_], wanted: NDArray[np.int64],
    keys: NDArray[np.int64],
) -> None:  # fmt: skip
    """Find for each part the highest bin that has `wanted` values in it and above; values are counted from the top."""
    seen = np.zeros(len(parts), np.int64)
    for unit in range(len(counts)):
        seen[:] = 0
        left = len(parts)
        for key in range(highest[unit], -1, -1):
            for fold in range(parts.shape[1]):
                number = np.int64(counts[unit, key, fold])
                if number == 0:
                    continue
                for part in range(len(parts)):
                    if parts[part, fold] and seen[part] < wanted[part]:
                        seen[part] += number
                        if seen[part] >= wanted[part]:
                            keys[part, unit] = key
                            left -= 1
            if left == 0:
                break


class FoldHistogram:
    """Counts of all activations of U units by fold of the images.

    Parameters
    ----------
    units, folds : int
        How many there are; 256 KiB for each unit and fold, of which only what is counted into is ever touched.
    """

    def __init__(self, units: int, folds: int) -> None:
        self._counts = np.zeros((units, BINS, folds), np.uint32)
        self._highest = np.full(units, -1, np.int64)
        self._values = np.zeros(folds, np.int64)

    def add(self, activations: NDArray[np.float16], fold: NDArray[np.int64]) -> None:
        """Count maps (float16, shape (n, U, height, width), finite, no -0.0) of images in these folds (int64, shape (n,))."""
        images, units, height, width = activations.shape
        bits = np.ascontiguousarray(activations).view(np.int16).reshape(images, units, height * width)
        _count(bits, fold, self._counts, self._highest)
        self._values += np.bincount(fold, minlength=len(self._values)) * (height * width)

    def thresholds(self, parts: NDArray[np.bool_], quantile: float) -> NDArray[np.float32]:
        """Return T of every unit on each part of the images.

        Parameters
        ----------
        parts : bool ndarray of shape (P, folds)
            Which folds each part holds.
        quantile : float
            Probability above the threshold.

        Returns
        -------
        float32 ndarray of shape (P, U)
            As `quantile.upper_quantile` of the part's values; infinite where a part has none.
        """
        values = parts @ self._values
        # numpy's own rule for `inverted_cdf`, as in `upper_quantile`
        rank = np.maximum(np.ceil(values * (1.0 - quantile) - 1.0), 0.0).astype(np.int64)
        keys = np.zeros((len(parts), len(self._counts)), np.int64)
        _descend(self._counts, self._highest, parts, values - rank, keys)
        found = bin_values()[keys].astype(np.float32)
        return np.where(values[:, None] > 0, found, np.float32(np.inf))
