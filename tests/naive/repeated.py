"""Weighted means over images, one value at a time."""

import math

import numpy as np


def naive_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what `operators.statistics.repeated.means` does."""
    trials, images, columns = values.shape
    found = np.full((trials, weights.shape[1], columns), np.nan)
    for trial in range(trials):
        for draw in range(weights.shape[1]):
            for column in range(columns):
                total = count = 0.0
                for image in range(images):
                    value = float(values[trial, image, column])
                    if not math.isnan(value):
                        total += float(weights[image, draw]) * value
                        count += float(weights[image, draw])
                if count:
                    found[trial, draw, column] = total / count
    return found
