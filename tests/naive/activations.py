"""Slow twins of what is kept of a unit's activations: quantiles, histograms, peaks."""

import numpy as np


def threshold(values: np.ndarray, quantile: float) -> float:
    """Smallest value v of the data with P(x > v) <= quantile."""
    for v in sorted(values.tolist()):
        if sum(x > v for x in values.tolist()) <= quantile * len(values) + 1e-9:
            return v
    raise AssertionError


def strongest_views(maps: np.ndarray, views: list[int], keep: int, *, keep_constant: bool) -> list[tuple[int, int]]:
    """Strongest views of one unit and their first map position of the maximum, best first, ties by lower view.

    Parameters
    ----------
    maps : ndarray of shape (views of the data set, height, width)
        Raw maps of the unit.
    views : list of int
        The views that may be chosen.
    """
    open_to = [v for v in views if keep_constant or maps[v].min() != maps[v].max()]
    ranked = sorted(open_to, key=lambda v: (-float(maps[v].max()), v))[:keep]
    return [(v, maps[v].ravel().tolist().index(maps[v].max())) for v in ranked]


def binned(values, bins):
    """Histogram in equal bins from the smallest to the largest value, one value at a time."""
    low, high, found = min(values), max(values), [0] * bins
    for value in values:
        place = 0 if high == low else min(int(bins * ((value - low) / (high - low))), bins - 1)
        found[place] += 1
    return found


def local_maxima(maps, threshold):
    """Return (view, position, value) of the peaks of one unit's maps (n, height, width) above T, strongest first."""
    found = []
    for view, values in enumerate(maps.astype(float)):
        if values.min() == values.max():
            continue
        height, width = values.shape
        for row, column in np.ndindex(height, width):
            around = [
                (u, v)
                for u in range(max(row - 1, 0), min(row + 2, height))
                for v in range(max(column - 1, 0), min(column + 2, width))
                if (u, v) != (row, column)
            ]
            own = values[row, column]
            higher = [values[at] > own or (values[at] == own and at < (row, column)) for at in around]
            if own > threshold and not any(higher):
                found.append((view, row * width + column, own))
    return sorted(found, key=lambda peak: (-peak[2], peak[0], peak[1]))
