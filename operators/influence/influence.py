"""Influence of training views on the loss of test views, and on their own.

References
----------
Koh & Liang 2017, Understanding Black-box Predictions via Influence Functions, sections 2 and 5.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.influence.head import Data, Head, train
from filterscope.operators.influence.hessian import Hessian

Floats = NDArray[np.float64]

#: Right sides that are solved at once.
_AT_ONCE = 256


def gradients(head: Head, data: Data) -> Floats:
    """Return the gradient of each view's loss, float64 of shape (n, K - 1, D + 1)."""
    return head.residuals(data)[:, :, None] * data.x[:, None, :]


def influence(hessian: Hessian, solved: Floats) -> Floats:
    """Return by how much each test view's loss changes when a training view is left out, to first order.

    Parameters
    ----------
    hessian : Hessian
        Of the n training views.
    solved : float64 ndarray of shape (T, K - 1, D + 1)
        Products of its inverse with the gradients of T test views.

    Returns
    -------
    float64 ndarray of shape (T, n)
        Above 0: the loss rises, so that the training view is helpful; below 0: it is harmful. Koh and Liang's
        `I_up,loss` is minus n times this.
    """
    data = hessian.data
    residuals = hessian.head.residuals(data)
    found = [((data.x @ one.T) * residuals).sum(axis=1) for one in solved]
    return np.array(found).reshape(len(solved), len(data.y)) / len(data.y)


def self_influence(hessian: Hessian, rows: NDArray[np.int64], solver: Literal["exact", "cg"]) -> Floats:
    """Return by how much the losses of some training views rise when each is left out itself, to first order.

    Parameters
    ----------
    hessian : Hessian
        Of the n training views.
    rows : int64 ndarray of shape (m,)
        Which.
    solver : {"exact", "cg"}
        As of `Hessian.solved`.

    Returns
    -------
    float64 ndarray of shape (m,)
        At least 0 if solved exactly.
    """
    found = np.zeros(len(rows))
    for start in range(0, len(rows), _AT_ONCE):
        here = rows[start : start + _AT_ONCE]
        b = gradients(hessian.head, hessian.data.take(here))
        if solver == "exact":
            found[start : start + len(here)] = hessian.lengths(b)
        else:
            found[start : start + len(here)] = (b * hessian.solved(b, solver)).sum(axis=(1, 2))
    return found / len(hessian.data.y)


def left_out(head: Head, data: Data, test: Data, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Train a head without each of some training views, and return what that changes.

    Parameters
    ----------
    head : Head
        Trained on `data`.
    data, test : Data
        Training and test views.
    rows : int64 ndarray of shape (m,)
        Training views that are left out, one at a time.

    Returns
    -------
    changes : float64 ndarray of shape (m, T)
        Loss of each test view without the training view, minus that with it.
    gradient : float64 ndarray of shape (m,)
        Norm of the gradient at which each head was left.
    """
    before = head.losses(test)
    heads = [train(data, head.l2, start=head.v, without=int(row)) for row in rows]
    changes = np.array([other.losses(test) - before for other in heads]).reshape(len(rows), len(before))
    return changes, np.array([other.gradient for other in heads])


__all__ = ["gradients", "influence", "left_out", "self_influence"]
