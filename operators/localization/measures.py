"""How well a part is localised, and how far that depends on the images that were annotated and measured."""

import math

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights

#: A box counts as detected from this intersection over union.
DETECTED = 0.5


def normalised_distance(
    found: NDArray[np.float64], centre: NDArray[np.float64], extent: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the distance between positions of shape (..., 2) in diagonals of the network input [normDist]."""
    apart = found - centre
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]) / math.hypot(*extent), np.float64)


def overlap(
    found: NDArray[np.float64], found_size: NDArray[np.float64], centre: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the intersection over union of boxes given by centre and size, y and x, each of shape (..., 2)."""
    low = np.maximum(found - found_size / 2, centre - size / 2)
    high = np.minimum(found + found_size / 2, centre + size / 2)
    common = np.clip(high - low, 0.0, None).prod(axis=-1)
    return np.asarray(common / (found_size.prod(axis=-1) + size.prod(axis=-1) - common), np.float64)


def inside_box(found: NDArray[np.float64], centre: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether positions lie inside boxes, edges included; arguments as for `overlap` [LOC]."""
    return np.asarray((np.abs(found - centre) <= size / 2).all(axis=-1), np.bool_)


def bootstrap_means(values: NDArray[np.float64], groups: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return means over draws and views, with the draws and, apart from them, the source images resampled.

    Two arrays of one shape with the same groups and seed are drawn alike, so that they can be compared draw by draw.

    Parameters
    ----------
    values : float64 ndarray of shape (D, n)
        A measure for D sets of annotated images on n views.
    groups : int64 ndarray of shape (n,)
        Source image of each view.
    seed : int
        Of the bootstrap.

    Returns
    -------
    float64 ndarray of shape (draws,)
        NaN where a draw holds no annotated set or no image.

    References
    ----------
    A. B. Owen, D. Eckles, Bootstrapping data arrays of arbitrary order, 2012: independent weights for each factor.
    """
    _, group = np.unique(groups, return_inverse=True)
    images = int(group.max()) + 1
    sums, counts = np.zeros((len(values), images)), np.bincount(group, minlength=images).astype(np.float64)
    for view, at in enumerate(group.tolist()):
        sums[:, at] += values[:, view]
    of_set = poisson_weights(len(values), seed_of("localize", "sets", seed)).astype(np.float64)
    of_image = poisson_weights(images, seed_of("localize", "images", seed)).astype(np.float64)
    total = np.einsum("dr,dg,gr->r", of_set, sums, of_image)
    weight = of_set.sum(axis=0) * np.einsum("g,gr->r", counts, of_image)
    return np.asarray(np.divide(total, weight, out=np.full(len(total), np.nan), where=weight > 0), np.float64)


def image_means(values: NDArray[np.float64], groups: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return means over views of values of shape (n,) with source images resampled: (draws,), NaN where none is drawn.

    Two arrays with the same groups and seed are drawn alike.
    """
    _, group = np.unique(groups, return_inverse=True)
    images = int(group.max()) + 1
    weights = poisson_weights(images, seed_of("localize", "images", seed)).astype(np.float64)
    sums, counts = (np.bincount(group, what, minlength=images) for what in (values, None))
    total, weight = (np.einsum("g,gr->r", of.astype(np.float64), weights) for of in (sums, counts))
    return np.asarray(np.divide(total, weight, out=np.full(len(total), np.nan), where=weight > 0), np.float64)


def interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile of what is not NaN."""
    known = replicates[~np.isnan(replicates)]
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf") if len(known) else (np.nan, np.nan)
    return float(low), float(high)


__all__ = ["DETECTED", "bootstrap_means", "image_means", "inside_box", "interval", "normalised_distance", "overlap"]
