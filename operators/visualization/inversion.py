"""How far an image that was made from the activations of another is from it, and what that is held against."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def relative_errors(found: NDArray[np.floating], target: NDArray[np.floating]) -> Floats:
    """Return |a - b|^2 / |b|^2 of each of n items, (n, ...): float64 of shape (n,), NaN where b is 0.

    References
    ----------
    Mahendran & Vedaldi 2015, Understanding Deep Image Representations by Inverting Them, section 2.
    """
    a, b = (values.reshape(len(values), -1).astype(np.float64) for values in (found, target))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where((b != 0).any(axis=1), ((a - b) ** 2).sum(1) / (b**2).sum(1), np.nan))


class Others(NamedTuple):
    """Errors of other images in place of an inversion.

    Attributes
    ----------
    of_class : float
        Mean over those of the same class; NaN where there is none.
    of_any : float
        Mean over all.
    nearest : float
        Smallest of all.
    """

    of_class: float
    of_any: float
    nearest: float


def others(values: NDArray[np.floating], classes: NDArray[np.int64], which: int) -> Others:
    """Return the errors of other images with respect to one.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
        Activations of n images, or their pixels.
    classes : int64 ndarray of shape (n,)
        Class of each.
    which : int
        The image that they stand in for.
    """
    rest = np.arange(len(values)) != which
    if not rest.any():
        return Others(*(float("nan"),) * 3)
    errors = np.concatenate([relative_errors(values[[row]], values[[which]]) for row in np.flatnonzero(rest)])
    same = classes[rest] == classes[which]
    of_class = float(errors[same].mean()) if same.any() else float("nan")
    return Others(of_class, float(errors.mean()), float(errors.min()))


__all__ = ["Others", "others", "relative_errors"]
