"""Slow twins of what is asked of a map: where it points, what it holds of a region, what curves and ranks make of it."""

import math

import numpy as np


def _empty(values: np.ndarray) -> bool:
    return not any(v > 0 for v in values.ravel()) or len(set(values.ravel().tolist())) == 1


def pointed_at(values: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Share of the largest values inside a region, and less than 15 pixels from it."""
    if _empty(values):
        return 0.0, 0.0
    best = max(values.ravel().tolist())
    places = [place for place, value in np.ndenumerate(values) if value == best]
    region = [place for place, inside in np.ndenumerate(mask) if inside]
    inside = sum(place in region for place in places)
    near = sum(any(math.dist(place, other) < 15 for other in region) for place in places)
    return inside / len(places), near / len(places)


def energy_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of the positive values that lies in a region; NaN if there is none."""
    total = sum(max(float(v), 0.0) for v in values.ravel())
    inside = sum(max(float(values[place]), 0.0) for place, here in np.ndenumerate(mask) if here)
    return inside / total if total else math.nan


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of ranks, equal values sharing the mean of theirs."""
    ranks = [
        [sum(w < v for w in values) + (sum(w == v for w in values) + 1) / 2 for v in values]
        for values in (one.ravel().tolist(), other.ravel().tolist())
    ]
    means = [sum(r) / len(r) for r in ranks]
    dots = [[sum((a - m) * (b - n) for a, b in zip(r, q, strict=True)) for q, n in zip(ranks, means, strict=True)]
            for r, m in zip(ranks, means, strict=True)]  # fmt: skip
    spread = dots[0][0] * dots[1][1]
    return dots[0][1] / math.sqrt(spread) if spread else math.nan


def window_mean(values: np.ndarray, side: int) -> np.ndarray:
    """Mean of what lies in the map of a square window about each place."""
    found, half = np.empty(values.shape), side // 2
    for row, column in np.ndindex(values.shape):
        window = values[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
        found[row, column] = sum(map(float, window.ravel())) / window.size
    return found


def averaged(values: np.ndarray, height: int, width: int, window: int, stride: int) -> np.ndarray:
    """Mean value of the windows that cover each pixel, those at the far edges cut off."""
    found = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        over = [
            float(value)
            for (row, column), value in np.ndenumerate(values)
            if row * stride <= y < row * stride + window and column * stride <= x < column * stride + window
        ]
        found[y, x] = sum(over) / len(over)
    return found
