"""Influence of groups of training views, and what leaving a group out does.

References
----------
Koh, Ang, Teo & Liang 2019, On the Accuracy of Influence Functions for Measuring Group Effects, section 2: the influence of a
group is the sum of those of its members.
"""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.influence.head import Data, Head, train
from filterscope.operators.influence.hessian import Hessian

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def removable(y: Rows, rows: Rows, random: np.random.Generator) -> Rows:
    """Return which views of a group are left out: all, but half of a class that the group holds all views of.

    A head that has seen no view of a class has no finite bias for it.

    Parameters
    ----------
    y : int64 ndarray of shape (n,)
        Classes of all training views.
    rows : int64 ndarray
        The group.
    random : numpy.random.Generator
        Draws the half that stays, rounded up.

    Returns
    -------
    int64 ndarray
        Ascending.
    """
    found = np.asarray(rows)
    for one in np.unique(y[rows]):
        own = rows[y[rows] == one]
        if len(own) == (y == one).sum():
            found = np.setdiff1d(found, random.permutation(own)[: -(-len(own) // 2)])
    return np.sort(found)


def random_group(y: Rows, unit: Rows, count: int, random: np.random.Generator) -> Rows:
    """Draw a group of the same size, image by image, that leaves at least one view of every class.

    Parameters
    ----------
    y, unit : int64 ndarray of shape (n,)
        Class and image of each training view.
    count : int
        Views to draw.
    random : numpy.random.Generator
        Of the draw.

    Returns
    -------
    int64 ndarray
        Ascending; fewer than asked where no more can go.
    """
    images = random.permutation(np.unique(unit))
    place = np.argsort(images)[np.searchsorted(np.unique(unit), unit)]
    order = np.argsort(place, kind="stable")
    _, last = np.unique(y[order][::-1], return_index=True)
    free = np.delete(order, len(order) - 1 - last)  # of each class the view that would be drawn last stays
    return np.sort(free[:count])


def pull(head: Head, data: Data, rows: Rows) -> Floats:
    """Return the sum of the gradients of some views' losses, float64 of shape (K - 1, D + 1)."""
    own = data.take(rows)
    return np.asarray(head.residuals(own).T @ own.x)


def group_influence(hessian: Hessian, solved: Floats, test: Data) -> Floats:
    """Return by how much each test view's loss changes when a group is left out, to first order.

    Parameters
    ----------
    hessian : Hessian
        Of the n training views.
    solved : float64 ndarray of shape (K - 1, D + 1)
        Product of its inverse with the group's `pull`.
    test : Data
        T test views.

    Returns
    -------
    float64 ndarray of shape (T,)
        The sum over the group of the influences of its members on each test view.
    """
    found = ((test.x @ solved.T) * hessian.head.residuals(test)).sum(axis=1)
    return np.asarray(found / len(hessian.data.y))


def without_group(head: Head, data: Data, rows: Rows) -> Head:
    """Train a head without a group of training views."""
    return train(data, head.l2, start=head.v, without=rows)


__all__ = ["group_influence", "pull", "random_group", "removable", "without_group"]
