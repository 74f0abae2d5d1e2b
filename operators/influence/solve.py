"""Inverse products of Hessians: conjugate gradients, and LiSSA with the largest eigenvalue that it must be scaled by."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]


def conjugate_gradients(product: Product, b: Floats, tolerance: float, most: int) -> tuple[Floats, int]:
    """Solve H s = b for a symmetric, positive H.

    Parameters
    ----------
    product : callable
        Returns H s for an s of the shape of `b`.
    b : float64 ndarray
        Right side.
    tolerance : float
        Stop where |b - H s| is at most this share of |b|.
    most : int
        Products at most.

    Returns
    -------
    s : float64 ndarray of the shape of `b`
    products : int
        How many were taken.
    """
    s, left = np.zeros_like(b), b.copy()
    towards, square = left.copy(), float((left * left).sum())
    enough = tolerance**2 * square
    for done in range(most):
        if square <= enough or square == 0.0:
            return s, done
        moved = product(towards)
        bend = float((towards * moved).sum())
        if bend <= 0.0:  # rounding
            return s, done
        step = square / bend
        s += step * towards
        left -= step * moved
        before, square = square, float((left * left).sum())
        towards = left + square / before * towards
    return s, most


def largest_eigenvalue(product: Product, start: Floats, most: int = 200) -> float:
    """Return the largest eigenvalue of a symmetric, positive H by power iteration, from below, to about a thousandth."""
    v, found = start / np.linalg.norm(start), 0.0
    for _ in range(most):
        moved = product(v)
        before, found = found, float(np.linalg.norm(moved))
        if found <= before * (1 + 1e-5):
            break
        v = moved / found
    return found


def lissa(products: Iterator[Product], b: Floats, scale: float) -> Floats:
    """Solve H s = b by the series of (I - H / scale), with products of samples of H (Agarwal et al. 2017).

    Parameters
    ----------
    products : iterator of callable
        As many products as the series has terms, each with the Hessian of a sample; damping is in them.
    b : float64 ndarray
        Right side.
    scale : float
        Must exceed the largest eigenvalue, or the series diverges.

    Returns
    -------
    float64 ndarray of the shape of `b`
        Holds NaN or infinities, or is beyond measure, where the series diverged.
    """
    s = b.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for product in products:
            s = b + s - product(s) / scale
    return s / scale


__all__ = ["Product", "conjugate_gradients", "largest_eigenvalue", "lissa"]
