"""Deletion and insertion: how fast a probability falls, or rises, as the pixels of largest value go, or come."""

import numpy as np
from numpy.typing import NDArray

#: Steps in which all pixels go or come.
STEPS = 56
#: What takes the place of pixels, and the names of the curves with each.
FILLS = ("blur", "mean")
CURVES = tuple(f"{kind}_{fill}" for kind in ("deletion", "insertion") for fill in FILLS)


def ranks(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the place of each pixel of a map, shape (h, w), from the largest, 0; of equal ones the first comes first."""
    order = np.argsort(-values.ravel(), kind="stable")
    found = np.empty(values.size, np.int64)
    found[order] = np.arange(values.size)
    return found.reshape(values.shape)


def changed_pixels(pixels: int, steps: int = STEPS) -> NDArray[np.int64]:
    """Return how many pixels of an image have changed after each step, from 0 to all, int64 of shape (steps + 1,)."""
    return np.arange(steps + 1) * pixels // steps


def area_under(probability: NDArray[np.float64]) -> float:
    """Return the area under a curve, shape (steps + 1,), over the share of pixels that have changed, by trapezoids.

    References
    ----------
    Petsiuk et al. 2018, RISE, section 4.1. There, too, fills are a blur of 11 pixels and sigma 5, or one colour.
    """
    ends = (probability[0] + probability[-1]) / 2
    return float((probability[1:-1].sum() + ends) / (len(probability) - 1))


__all__ = ["CURVES", "FILLS", "STEPS", "area_under", "changed_pixels", "ranks"]
