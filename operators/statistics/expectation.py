"""What the IoU of a unit's label is expected to be on new images of the same kind.

The label of a unit is the best of many concepts, and the units that one looks at are the best of many units: on new images
both do worse. Cross-validation over folds of the images measures by how much. On each training part the best concept is found
anew, with IoU X; on the fold left out it has the sums I and U. Over all units of a layer and all folds, E(x) is the isotonic
regression of I / U on X, and a unit of IoU x is expected to have E(x) (METHODS, "Replication and expectation").
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    """What F folds that were left out say of the concepts chosen on the other folds; U units.

    Attributes
    ----------
    iou : float64 ndarray of shape (F, U)
        X, the IoU on the training part of the concept that was chosen there; 0 where none was.
    union : float64 ndarray of shape (F, U)
        Union of unit and concept that the training part lets expect of the fold.
    sums : int64 ndarray of shape (2, F, U)
        I and U on the fold.
    products : float64 ndarray of shape (3, F, U)
        Sums of I^2, I U and U^2 over the groups of images in the fold.
    share : float64 ndarray of shape (F,)
        Share of all groups in each fold.
    """

    iou: NDArray[np.float64]
    union: NDArray[np.float64]
    sums: NDArray[np.int64]
    products: NDArray[np.float64]
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
        one X differ, the chance of which images come, and how uncertain E is.

    Notes
    -----
    I and U of a fold are divided by the union expected of it. So every unit counts alike, however large its concept is, and a
    fold that lacks the concept counts as much as another: a mean of the ratios I / U would be too low, a ratio of the sums
    the mean of large concepts. What chance does within a fold has the moments of a Poisson bootstrap over its groups, which are
    sums of products over groups; what it does to E, those of a jackknife over folds.
    """
    used = (found.iou > 0) & (found.union > 0)
    if not used.any():
        nothing = np.full(len(iou), np.nan)
        return Expectation(nothing, nothing, nothing)
    x, scale = found.iou[used], found.union[used]
    met, union = found.sums[:, used] / scale
    met_met, met_union, union_union = found.products[:, used] / scale**2
    fold = np.broadcast_to(np.arange(len(used))[:, None], used.shape)[used]
    share, ones = found.share[fold], np.ones(len(x))
    curve = _isotonic(x, met, union)
    expected = curve(x)
    # what E leaves unexplained of I: in all, and by the chance of which groups a fold holds
    residual = _isotonic(x, (met - expected * union) ** 2, ones)(iou)
    products = met_met - 2 * expected * met_union + expected**2 * union_union
    chance, of_all = _isotonic(x, products, ones)(iou), _isotonic(x, products * share, ones)(iou)
    # the mean of a ratio is smaller than the ratio of the means where groups of much union meet much
    bent = _isotonic(x, (met_union - expected * union_union) * share, ones)(x)
    folds = np.unique(fold)
    curves = [_isotonic(x[fold != left], met[fold != left], union[fold != left])(iou) for left in folds]
    uncertain = np.var(curves, axis=0) * (len(folds) - 1)
    mean = np.clip(_isotonic(x, (expected - bent) * union, union)(iou), 0.0, 1.0)
    low, high = _shortest(mean, _WIDENED * (np.maximum(residual - chance, 0) + of_all + uncertain))
    # so skewed a distribution may have its mean outside
    return Expectation(mean, np.minimum(low, mean), np.clip(high, mean, 1.0))


def _isotonic(
    x: NDArray[np.float64], over: NDArray[np.float64], under: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Regress the ratio of two sums on x by pool adjacent violators; linear between the points."""
    points, rank = np.unique(x, return_inverse=True)
    top, bottom = (np.bincount(rank.ravel(), values) for values in (over, under))
    some = bottom > 0
    if not some.any():
        return np.zeros_like
    fitted = isotonic_regression(top[some] / bottom[some], weights=bottom[some]).x
    return lambda wanted: np.interp(wanted, points[some], fitted)


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
