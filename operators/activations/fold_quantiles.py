"""Exact thresholds of several parts of the images at once: unions of folds, such as all folds but one.

As in `quantile`, a count for every bit pattern loses nothing. T of a part lies near T of all images, so that counting the
patterns around it, and how many values are above, is mostly enough; units for which it is not are counted again, whole.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.activations.quantile import _ZERO, BINS, bin_values

#: Patterns counted around T: float16 has 1,024 to an octave.
_WINDOW = 2048

#: Called for a pass over the images: yields maps (float16, shape (n, U, height, width), finite, no -0.0) with the fold of each
#: image (int64, shape (n,)).
Passes = Callable[[], Iterable[tuple[NDArray[np.float16], NDArray[np.int64]]]]


@njit(cache=True, nogil=True)
def _count(
    bits: NDArray[np.int16], fold: NDArray[np.int64], low: NDArray[np.int64], counts: NDArray[np.uint32],
    above: NDArray[np.int64],
) -> None:  # fmt: skip
    images, units, positions = bits.shape
    for unit in range(units):
        for image in range(images):
            own = fold[image]
            for position in range(positions):
                pattern = bits[image, unit, position]
                place = np.int64(np.uint16(pattern ^ ((pattern >> 15) | _ZERO))) - low[unit]
                if place < 0:
                    continue
                if place < counts.shape[1]:
                    counts[unit, place, own] += np.uint32(1)
                else:
                    above[unit, own] += 1


@njit(cache=True, nogil=True)
def _descend(
    counts: NDArray[np.uint32], above: NDArray[np.int64], parts: NDArray[np.bool_], wanted: NDArray[np.int64],
    place: NDArray[np.int64],
) -> None:  # fmt: skip
    """Find for each part the highest bin that has `wanted` values in it and above; -1 where it is not among those counted."""
    folds = parts.shape[1]
    seen = np.empty(folds, np.int64)
    place[:] = -1
    for unit in range(len(counts)):
        seen[:] = above[unit]
        left = 0
        for part in range(len(parts)):
            left += (parts[part] * seen).sum() < wanted[part]
        for bin in range(counts.shape[1] - 1, -1, -1):  # noqa: A001
            some = np.uint32(0)
            for fold in range(folds):
                some |= counts[unit, bin, fold]
            if some == 0:
                continue
            for part in range(len(parts)):
                before = after = np.int64(0)
                for fold in range(folds):
                    if parts[part, fold]:
                        before += seen[fold]
                        after += seen[fold] + np.int64(counts[unit, bin, fold])
                if before < wanted[part] <= after:
                    place[part, unit] = bin
                    left -= 1
            if left == 0:
                break
            for fold in range(folds):
                seen[fold] += counts[unit, bin, fold]


def part_thresholds(
    passes: Passes, around: NDArray[np.float32], parts: NDArray[np.bool_], quantile: float
) -> NDArray[np.float32]:
    """Return T of U units on each part of the images.

    Parameters
    ----------
    passes : callable
        Gives the images, as often as it is called; once where all thresholds are near those of all images.
    around : float32 ndarray of shape (U,)
        T on all images, which tells where to look.
    parts : bool ndarray of shape (P, F)
        Which of F folds each part holds.
    quantile : float
        Probability above the threshold.

    Returns
    -------
    float32 ndarray of shape (P, U)
        As `quantile.upper_quantile` of the part's values; infinite where a part has none.
    """
    keys, values = _keys(around), np.zeros(parts.shape[1], np.int64)
    low = np.clip(keys - _WINDOW // 2, 0, BINS - _WINDOW)
    counts, above = _counted(passes, low, _WINDOW, values, np.arange(len(around)))
    size = parts @ values
    # numpy's own rule for `inverted_cdf`, as in `upper_quantile`
    wanted = size - np.maximum(np.ceil(size * (1.0 - quantile) - 1.0), 0.0).astype(np.int64)
    place = np.empty((len(parts), len(around)), np.int64)
    _descend(counts, above, parts, wanted, place)
    key = place + low
    far = np.flatnonzero((place < 0)[size > 0].any(axis=0))
    for start in range(0, len(far), _FAR):
        units = far[start : start + _FAR]
        counts, above = _counted(passes, np.zeros(len(units), np.int64), BINS, np.zeros_like(values), units)
        place = np.empty((len(parts), len(units)), np.int64)
        _descend(counts, above, parts, wanted, place)
        key[:, units] = place
    found = bin_values()[key].astype(np.float32)
    return np.where(size[:, None] > 0, found, np.float32(np.inf))


#: Units counted whole at once: 2 MiB each, for 8 folds.
_FAR = 32


def _counted(
    passes: Passes, low: NDArray[np.int64], bins: int, values: NDArray[np.int64], units: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Count some units in `bins` bins from `low`, and above; the number of values in each fold is added to `values`."""
    counts = np.zeros((len(units), bins, len(values)), np.uint32)
    above = np.zeros((len(units), len(values)), np.int64)
    for maps, fold in passes():
        own = np.ascontiguousarray(maps[:, units] if len(units) < maps.shape[1] else maps)
        bits = own.view(np.int16).reshape(*own.shape[:2], -1)
        _count(bits, fold, low, counts, above)
        values += np.bincount(fold, minlength=len(values)) * bits.shape[2]
    return counts, above


def _keys(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bins of float16 numbers."""
    pattern = (values + np.float32(0)).astype(np.float16).view(np.int16)
    return np.asarray((pattern ^ ((pattern >> np.int16(15)) | np.int16(-_ZERO))).view(np.uint16).astype(np.int64))
