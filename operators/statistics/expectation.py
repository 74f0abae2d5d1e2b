"""What the IoU of a unit's label is expected to be on new images of the same kind.

The label of a unit is the best of many concepts, and the units that one looks at are the best of many units: on new images
both do worse. Cross-validation over folds of the images measures by how much. On each training part the best concept is found
anew, with IoU X; on the fold left out it has the sums I and U. Over all units of a layer and all folds, E(x) is the isotonic
regression of I / U on X, and a unit of IoU x is expected to have E(x) (METHODS, "Replication and expectation").
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import gammaincinv

#: Share of new sets of images on which the IoU lies in the interval.
LEVEL = 0.9

#: Moments of few images come out too small: with the variance as estimated, intervals of 90 % held 85 to 90 % on four layers
#: of real networks, so it is widened by this factor (ours).
_WIDENED = 1.25

_STEPS = 21


@dataclass(frozen=True)
class HeldOut:
    """What F folds that were left out say of the concepts chosen on the other folds; U units, B bootstrap samples.

    Attributes
    ----------
    iou : float64 ndarray of shape (F, U)
        X, the IoU on the training part of the concept that was chosen there; 0 where none was.
    union : float64 ndarray of shape (F, U)
        Union of unit and concept that the training part lets expect of the fold.
    sums : int64 ndarray of shape (2, F, U)
        I and U on the fold.
    samples : int64 ndarray of shape (2, B, F, U)
        The same in bootstrap samples of the groups.
    share : float64 ndarray of shape (F,)
        Share of the groups in each fold.
    """

    iou: NDArray[np.float64]
    union: NDArray[np.float64]
    sums: NDArray[np.int64]
    samples: NDArray[np.int64]
    share: NDArray[np.float64]


@dataclass(frozen=True)
class Expectation:
    """Expected IoU on as many new images and the limits of its prediction interval, float64 of shape (U,) each.

    NaN where no fold says anything.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def expected_iou(found: HeldOut, iou: NDArray[np.float64]) -> Expectation:
    """Predict the IoU that labels have on new images.

    Parameters
    ----------
    found : HeldOut
        Of the live units of a layer.
    iou : float64 ndarray of shape (V,)
        IoU of each label on all images.

    Returns
    -------
    Expectation
        Of V labels. The interval is the shortest that holds 90 % of a gamma distribution. Its variance adds how much units of
        one X differ, the chance of which images come, and how uncertain E is by the bootstrap.

    Notes
    -----
    I and U of a fold are divided by the union expected of it. So every unit counts alike, however large its concept is, and a
    fold that lacks the concept counts as much as another: a mean of the ratios I / U would be too low, a ratio of the sums
    the mean of large concepts.
    """
    used = (found.iou > 0) & (found.union > 0)
    if not used.any():
        nothing = np.full(len(iou), np.nan)
        return Expectation(nothing, nothing, nothing)
    x, scale = found.iou[used], found.union[used]
    met, union = found.sums[:, used] / scale
    met_again, union_again = found.samples[:, :, used] / scale
    share = np.broadcast_to(found.share[:, None], used.shape)[used]
    curve = _isotonic(x, met, union)
    # what is left of I when E explains it, over the folds and over bootstrap samples of each
    residual, again = met - curve(x) * union, met_again - curve(x) * union_again
    noise = again.var(axis=0)
    # a ratio of sums is smaller than the ratio of their means where images with much union meet much
    bent = ((again - again.mean(axis=0)) * (union_again - union_again.mean(axis=0))).mean(axis=0)
    ones = np.ones(len(x))
    between = np.maximum(_isotonic(x, residual**2, ones)(iou) - _isotonic(x, noise, ones)(iou), 0)
    # of a fold, scaled to all images
    within = _isotonic(x, noise * share, ones)(iou)
    curves = [_isotonic(x, *sample)(iou) for sample in zip(met_again, union_again, strict=True)]
    mean = np.maximum(curve(iou) - _isotonic(x, bent * share, ones)(iou), 0)
    low, high = _shortest(mean, _WIDENED * (between + within + np.var(curves, axis=0)))
    return Expectation(mean, low, np.minimum(high, 1.0))


def _isotonic(
    x: NDArray[np.float64], over: NDArray[np.float64], under: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Regress the ratio of two sums on x by pool adjacent violators; linear between the points."""
    points, rank = np.unique(x, return_inverse=True)
    over, under = (np.bincount(rank.ravel(), values) for values in (over, under))
    points, over, under = points[under > 0], over[under > 0], under[under > 0]
    if not len(points):
        return np.zeros_like
    return partial(np.interp, xp=points, fp=isotonic_regression(over / under, weights=under).x)


def _shortest(
    mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shortest interval that holds `LEVEL` of gamma distributions of these moments; the mean alone where it is 0."""
    spread = (mean > 0) & (variance > 0)
    safe = np.where(spread, mean, 1.0), np.where(spread, variance, 1.0)
    shape, scale = safe[0] ** 2 / safe[1], safe[1] / safe[0]
    tails = np.linspace(0, 1 - LEVEL, _STEPS)[:, None]
    low = gammaincinv(shape, tails) * scale
    high = gammaincinv(shape, np.minimum(tails + LEVEL, 1 - 1e-9)) * scale
    best = (high - low).argmin(axis=0), np.arange(len(mean))
    return np.where(spread, low[best], mean), np.where(spread, high[best], mean)
