"""Coarse histograms of activations, from the count of every float16 value."""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.activations.quantile import bin_values


def binned(
    counts: NDArray[np.int64], minimum: NDArray[np.floating], maximum: NDArray[np.floating], bins: int
) -> NDArray[np.int64]:
    """Count values in equal bins from each unit's smallest to its largest.

    Parameters
    ----------
    counts : int64 ndarray of shape (units, 65536)
        Count of every float16 value, as of `operators.activations.quantile.add_to_histogram`.
    minimum, maximum : ndarray of shape (units,)
        Smallest and largest value of each unit.
    bins : int
        Bins B.

    Returns
    -------
    int64 ndarray of shape (units, bins)
        Value v is in bin ``floor(B (v - minimum) / (maximum - minimum))``, the largest in the last; all are in the first
        where the unit is constant.
    """
    values, found = bin_values(), np.zeros((len(counts), bins), np.int64)
    for row, low, high, into in zip(counts, minimum.astype(float), maximum.astype(float), found, strict=True):
        here = np.flatnonzero(row)
        place = np.zeros(len(here), np.int64)
        if high > low:
            place = np.minimum(np.floor(bins * ((values[here] - low) / (high - low))).astype(np.int64), bins - 1)
        np.add.at(into, place, row[here])
    return found


__all__ = ["binned"]
