"""Exact quantiles and moments of float16 activations from a histogram over all 65,536 bit patterns.

The bit patterns of finite float16 numbers, with the sign folded, sort like the numbers themselves, so a count per
pattern loses nothing: the threshold T of network dissection (Bau et al. 2017, section 2.2) comes out exact, in one
pass, and histograms of image blocks merge by addition.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

BINS = 1 << 16
_ZERO = 1 << 15


#: Values of a unit worth counting at once: its bins, scattered over half a megabyte, are then fetched into cache once.
_GATHERED = 1 << 17


@njit(cache=True, nogil=True)
def _accumulate(bits: NDArray[np.int16], counts: NDArray[np.int64]) -> None:
    images, units, positions = bits.shape
    for unit in range(units):
        for image in range(images):
            for position in range(positions):
                pattern = bits[image, unit, position]
                # No branch on the sign, which is a coin toss; an unsigned index cannot be taken for one from the end.
                counts[unit, np.uint16(pattern ^ ((pattern >> 15) | _ZERO))] += 1


@dataclass(frozen=True)
class Moments:
    """Statistics of each unit's activations; every field is an array of shape (units,)."""

    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]
    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]


def bin_values() -> NDArray[np.float64]:
    """Return the number each bin counts, float64 of shape (65536,), ascending; NaN and infinity at both ends."""
    key = np.arange(BINS, dtype=np.uint32)
    pattern = np.where(key >= _ZERO, key - _ZERO, BINS - 1 - key).astype(np.uint16)
    return pattern.view(np.float16).astype(np.float64)


def empty_histogram(units: int) -> NDArray[np.int64]:
    """Return the histogram of no values, int64 of shape (units, 65536); histograms merge by addition."""
    return np.zeros((units, BINS), np.int64)


def add_to_histogram(counts: NDArray[np.int64], activations: NDArray[np.float16]) -> None:
    """Count activations in place.

    Parameters
    ----------
    counts : int64 ndarray of shape (units, 65536)
        From `empty_histogram`.
    activations : float16 ndarray of shape (images, units, height, width)
        Finite values; -0.0 counts as a number just below 0.0, so store 0.0 instead.
    """
    images, units, height, width = activations.shape
    _accumulate(np.ascontiguousarray(activations).view(np.int16).reshape(images, units, height * width), counts)


class Gathered:
    """Counts blocks of activations as `add_to_histogram` does, small ones gathered by unit first.

    Parameters
    ----------
    counts : int64 ndarray of shape (units, 65536)
        Added to; complete after `flush`.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self._counts = counts
        self._values = np.empty((len(counts), _GATHERED), np.float16)
        self._filled = 0

    def add(self, activations: NDArray[np.float16]) -> None:
        """Take a block (float16, shape (images, units, height, width))."""
        images, _, height, width = activations.shape
        size = images * height * width
        if size > _GATHERED // 2:
            add_to_histogram(self._counts, activations)
            return
        if self._filled + size > _GATHERED:
            self.flush()
        place = self._values[:, self._filled : self._filled + size]
        by_unit = activations.transpose(1, 0, 2, 3)
        place.reshape(by_unit.shape, copy=False)[:] = by_unit
        self._filled += size

    def flush(self) -> None:
        """Count what was gathered."""
        _accumulate(self._values[None, :, : self._filled].view(np.int16), self._counts)
        self._filled = 0


def upper_quantile(counts: NDArray[np.int64], quantile: float) -> NDArray[np.float32]:
    """Return each unit's threshold: the smallest stored value v with P(x > v) <= quantile.

    Parameters
    ----------
    counts : int64 ndarray of shape (units, 65536)
        Histogram with at least one value per unit.
    quantile : float
        Probability above the threshold.

    Returns
    -------
    float32 ndarray of shape (units,)
        Equal to ``numpy.quantile(x, 1 - quantile, method="inverted_cdf")`` of the same values in float64.
    """
    below = np.cumsum(counts, axis=1)
    # numpy's own rule for `inverted_cdf`, in its arithmetic: rank n q - 1, rounded up.
    rank = np.maximum(np.ceil(below[:, -1] * (1.0 - quantile) - 1.0), 0.0).astype(np.int64)
    key = np.array([np.searchsorted(row, r, side="right") for row, r in zip(below, rank, strict=True)], np.int64)
    return bin_values()[key].astype(np.float32)


def fraction_above(counts: NDArray[np.int64], threshold: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return P(x > threshold) of each unit, for thresholds (float32, shape (units,)) that are float16 numbers."""
    values = bin_values()[_ZERO - 0x7BFF - 1 : _ZERO + 0x7C00]  # the finite ones, which ascend
    first = _ZERO - 0x7BFF - 1 + np.searchsorted(values, threshold.astype(np.float64), side="right")
    above = np.array([row[start:].sum() for row, start in zip(counts, first, strict=True)])
    return np.asarray(above / counts.sum(axis=1), np.float64)


def moments(counts: NDArray[np.int64]) -> Moments:
    """Return minimum, maximum, mean and population standard deviation of each unit, summed in one fixed order."""
    filled = counts > 0
    lowest, highest = filled.argmax(axis=1), BINS - 1 - filled[:, ::-1].argmax(axis=1)
    values = bin_values()
    mean, deviation = np.empty(len(counts)), np.empty(len(counts))
    for unit, row in enumerate(counts):
        here = np.flatnonzero(row)
        weight = row[here] / row.sum()
        mean[unit] = weight @ values[here]
        deviation[unit] = np.sqrt(weight @ (values[here] - mean[unit]) ** 2)
    return Moments(values[lowest].astype(np.float32), values[highest].astype(np.float32), mean, deviation)
