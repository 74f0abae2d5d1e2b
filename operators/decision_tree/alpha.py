"""Which filters a node keeps: all, those of a lasso, or those that backward elimination leaves."""

from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

Mode = Literal["ones", "lasso", "binary"]
Floats = NDArray[np.float64]

#: Weight of the number of filters, for a node of one image.
PENALTY = 1e-6
#: Rounds over all filters, and the largest change of a weight at which they end.
_ROUNDS, _CHANGE = 300, 1e-7


def chosen(mode: Mode, z: Floats, y: Floats, penalty: float | None = None) -> Floats:
    """Return the weights alpha of a node's filters.

    Parameters
    ----------
    mode : {"ones", "lasso", "binary"}
        All 1; those that minimise mean (y - z . alpha - b)^2 + penalty |alpha|_1 over alpha and b; those of 0 and 1 that
        backward elimination finds for it.
    z : float64 ndarray of shape (n, D)
        What each filter gives to the score of the node's images, g o x.
    y : float64 ndarray of shape (n,)
        Their scores.
    penalty : float, optional
        By default `PENALTY` times the root of n.

    Returns
    -------
    float64 ndarray of shape (D,)
    """
    if mode == "ones" or len(z) == 1:
        return np.ones(z.shape[1])
    weight = PENALTY * np.sqrt(len(z)) if penalty is None else penalty
    order = np.argsort(-np.abs(z.mean(axis=0)), kind="stable")
    filters = np.ascontiguousarray((z - z.mean(axis=0)).T)
    return np.asarray((_lasso if mode == "lasso" else _eliminated)(filters, y - y.mean(), weight, order), np.float64)


@njit(cache=True, nogil=True)
def _lasso(filters: Floats, y: Floats, penalty: float, order: NDArray[np.int64]) -> Floats:
    """Descend along one coordinate after the other, from all 1; `filters` (D, n) and y about their means."""
    count, images = filters.shape
    alpha, rest = np.ones(count), y.copy()
    square = np.empty(count)
    for d in range(count):
        rest -= filters[d]
        square[d] = (filters[d] ** 2).sum() / images
    for _ in range(_ROUNDS):
        largest = 0.0
        for d in order:
            new = 0.0  # of a filter that gives the same to all images, which is in b
            if square[d] > 0.0:
                at = (rest * filters[d]).sum() / images + square[d] * alpha[d]
                new = np.sign(at) * max(abs(at) - penalty / 2, 0.0) / square[d]
            change = new - alpha[d]
            if change != 0.0:
                rest -= filters[d] * change
                alpha[d] = new
                largest = max(largest, abs(change))
        if largest < _CHANGE:
            break
    return alpha


@njit(cache=True, nogil=True)
def _eliminated(filters: Floats, y: Floats, penalty: float, order: NDArray[np.int64]) -> Floats:
    """Drop the filter without which the objective is lowest, for as long as it falls; of equal ones the first in order."""
    count, images = filters.shape
    alpha, rest = np.ones(count), y.copy()
    for d in range(count):
        rest -= filters[d]
    change = np.empty(count)  # of the objective without a filter: mean (rest + z_d)^2 - mean rest^2, less its penalty
    for d in range(count):
        change[d] = (2.0 * rest * filters[d] + filters[d] ** 2).sum() / images - penalty
    while True:
        best, at = 0.0, -1
        for d in order:
            if alpha[d] == 1.0 and change[d] < best:
                best, at = change[d], d
        if at < 0:
            return alpha
        alpha[at] = 0.0
        for d in range(count):
            change[d] += 2.0 * (filters[at] * filters[d]).sum() / images


__all__ = ["PENALTY", "Mode", "chosen"]
