"""Slow twins of region attribution."""

import math

import numpy as np


def given_surround(
    mean: np.ndarray, covariance: np.ndarray, values: np.ndarray, inside: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the pixels inside a window of a patch, of one channel, the others being seen one after another.

    `values` are what is seen, each with noise of that variance; `inside` says which are not seen.
    """
    mean, covariance = mean.astype(float).copy(), covariance.astype(float).copy()
    for pixel in np.flatnonzero(~inside):
        gain = covariance[:, pixel] / (covariance[pixel, pixel] + noise)
        mean += gain * (values[pixel] - mean[pixel])
        covariance -= np.outer(gain, covariance[pixel])
    hidden = np.flatnonzero(inside)
    return mean[hidden], covariance[np.ix_(hidden, hidden)]


def surround(row: int, column: int, window: int, padding: int, extent: tuple[int, int]) -> tuple[int, int]:
    """First row and column of the patch round a window, moved one pixel at a time until it lies in the image."""
    side, moved = window + 2 * padding, []
    for at, size in zip((row - padding, column - padding), extent, strict=True):
        while at < 0:
            at += 1
        while at + side > size:
            at -= 1
        moved.append(at)
    return moved[0], moved[1]


def weight_of_evidence(known: float, unknown: float, classes: int, training_images: int) -> float:
    """Evidence for a class in bits."""
    odds = []
    for p in (known, unknown):
        p = (p * training_images + 1) / (training_images + classes)
        odds.append(p / (1 - p))
    return math.log2(odds[0]) - math.log2(odds[1])


def average_windows(values: dict[tuple[int, int], float], window: int, extent: tuple[int, int]) -> np.ndarray:
    """Mean, at each pixel, of the values of the windows that cover it, given by their first row and column."""
    found = np.empty(extent)
    for y in range(extent[0]):
        for x in range(extent[1]):
            over = [v for (top, left), v in values.items() if top <= y < top + window and left <= x < left + window]
            found[y, x] = sum(over) / len(over)
    return found
