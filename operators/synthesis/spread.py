"""How different pictures of a unit are, and how usual values are among others."""

import numpy as np
from numpy.typing import NDArray


def spread(features: NDArray[np.floating]) -> float:
    """Return the mean Euclidean distance of pairs of features (n, ...); NaN for fewer than two."""
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    rows, columns = np.triu_indices(len(flat), 1)
    return float(np.linalg.norm(flat[rows] - flat[columns], axis=1).mean()) if len(rows) else float("nan")


def share_above(values: NDArray[np.floating], among: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return for each value the share of others that are at least as large, float64; NaN where there are no others."""
    ordered = np.sort(np.asarray(among, np.float64))
    if not len(ordered):
        return np.full(len(values), np.nan)
    return (len(ordered) - np.searchsorted(ordered, values, "left")) / len(ordered)


def share_below(values: NDArray[np.floating], among: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return for each value the share of others that are at most as large, float64; NaN where there are no others."""
    return share_above(-np.asarray(values, np.float64), -np.asarray(among, np.float64))


def matched(own: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return which of other units (images, D) each unit (images, C) correlates with most, int64 of shape (C,)."""

    def standardised(values: NDArray[np.floating]) -> NDArray[np.float64]:
        centred = np.asarray(values, np.float64) - np.mean(values, axis=0, dtype=np.float64)
        size = np.linalg.norm(centred, axis=0)
        return np.where(size > 0, centred, 0) / np.where(size > 0, size, 1.0)

    return np.asarray((standardised(own).T @ standardised(others)).argmax(axis=1), np.int64)


__all__ = ["matched", "share_above", "share_below", "spread"]
