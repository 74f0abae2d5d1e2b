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
    centred, target = z - z.mean(axis=0), y - y.mean()
    gram = np.einsum("ni,nj->ij", centred, centred) / len(z)  # no BLAS: its sums may depend on the number of threads
    along = np.einsum("ni,n->i", centred, target) / len(z)
    if mode == "lasso":
        return np.asarray(_lasso(gram, along, weight, order), np.float64)
    return np.asarray(_eliminated(gram, along, weight, order), np.float64)


@njit(cache=True, nogil=True)
def _lasso(gram: Floats, along: Floats, penalty: float, order: NDArray[np.int64]) -> Floats:
    """Descend along one coordinate after the other, from all 1."""
    alpha = np.ones(len(along))
    rest = along - gram @ alpha
    for _ in range(_ROUNDS):
        largest = 0.0
        for d in order:
            if gram[d, d] <= 0.0:
                alpha[d] = 0.0  # a filter that gives the same to all images is in b
                continue
            at = rest[d] + gram[d, d] * alpha[d]
            new = np.sign(at) * max(abs(at) - penalty / 2, 0.0) / gram[d, d]
            change = new - alpha[d]
            if change != 0.0:
                rest -= gram[d] * change
                alpha[d] = new
                largest = max(largest, abs(change))
        if largest < _CHANGE:
            break
    return alpha


@njit(cache=True, nogil=True)
def _eliminated(gram: Floats, along: Floats, penalty: float, order: NDArray[np.int64]) -> Floats:
    """Drop the filter without which the objective is lowest, for as long as it falls; of equal ones the first in order."""
    alpha = np.ones(len(along))
    rest = along - gram @ alpha
    while True:
        best, at = 0.0, -1
        for d in order:
            if alpha[d] == 1.0:
                # mean square of (target - z . alpha + z_d), less that with d
                change = 2.0 * rest[d] + gram[d, d] - penalty
                if change < best:
                    best, at = change, d
        if at < 0:
            return alpha
        alpha[at] = 0.0
        rest += gram[at]


__all__ = ["PENALTY", "Mode", "chosen"]
