"""Attacks that step along the gradient of a loss: FGSM, a single step, and PGD, many that stay in a ball."""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.attacks.slope import PASSES, Slope

#: Steps of PGD, and the length of one in radii.
STEPS, STRIDE = 20, 0.25


def fgsm(images: NDArray[np.float64], slope: Slope, radius: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Move every pixel by `radius` in the direction in which the loss rises.

    Parameters
    ----------
    images : float64 ndarray of shape (n, height, width, channels)
        Pixels from 0 to 1.
    slope : Slope
        A loss to be raised.
    radius : float
        Largest change of a pixel.

    Returns
    -------
    float64 ndarray of the shape of `images`
        The attacked images, cut to 0..1; a pixel on which the loss does not depend stays.
    int64 ndarray of shape (n,)
        What each took, in forward passes.

    References
    ----------
    Goodfellow et al. 2015, Explaining and Harnessing Adversarial Examples, section 4.
    """
    _, gradients, _ = slope(images, np.arange(len(images)))
    return np.clip(images + radius * np.sign(gradients), 0, 1), np.full(len(images), PASSES)


def pgd(
    images: NDArray[np.float64],
    slope: Slope,
    radius: NDArray[np.float64],
    *,
    euclidean: bool = False,
    start: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Raise the loss in `STEPS` steps inside a ball round each image, until the network gives the class that is asked for.

    Parameters
    ----------
    images : float64 ndarray of shape (n, height, width, channels)
        Pixels from 0 to 1.
    slope : Slope
        A loss to be raised.
    radius : float64 ndarray of shape (n,)
        Of the ball, for each image: largest change of a pixel, or Euclidean length.
    euclidean : bool
        Whether balls are Euclidean: steps then go along the gradient instead of its signs.
    start : float64 ndarray of the shape of `images`, optional
        Where to start; moved into ball and pixel range. By default at the images.

    Returns
    -------
    float64 ndarray of the shape of `images`
        The attacked images, each as it was when it first had the class, else after the last step.
    int64 ndarray of shape (n,)
        What each took, in forward passes.

    References
    ----------
    Madry et al. 2018, Towards Deep Learning Models Resistant to Adversarial Attacks, section 2.1.
    """
    into, size = (_into_ball if euclidean else _into_cube), np.asarray(radius, np.float64)[:, None, None, None]
    found = images.copy() if start is None else into(start, images, size)
    queries, moving = np.zeros(len(images), np.int64), np.arange(len(images))
    for _ in range(STEPS):
        _, gradients, reached = slope(found[moving], moving)
        queries[moving] += PASSES
        moving, gradients = moving[~reached], gradients[~reached]
        if not len(moving):
            break
        step = _unit(gradients) if euclidean else np.sign(gradients)
        found[moving] = into(found[moving] + STRIDE * size[moving] * step, images[moving], size[moving])
    return found, queries


def _unit(gradients: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.sqrt((gradients**2).sum(axis=(1, 2, 3), keepdims=True))
    return np.asarray(np.divide(gradients, length, out=np.zeros_like(gradients), where=length > 0))


def _into_cube(
    found: NDArray[np.float64], images: NDArray[np.float64], radius: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.clip(np.clip(found, images - radius, images + radius), 0, 1)


def _into_ball(
    found: NDArray[np.float64], images: NDArray[np.float64], radius: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cut to the pixel range, then shorten what is too long; the image lies in the range, so the result does too."""
    change = np.clip(found, 0, 1) - images
    length = np.sqrt((change**2).sum(axis=(1, 2, 3), keepdims=True))
    scale = np.divide(radius, length, out=np.ones_like(length), where=length > radius)
    return np.asarray(images + scale * change)


__all__ = ["STEPS", "STRIDE", "fgsm", "pgd"]
