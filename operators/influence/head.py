"""A softmax head on features, trained to convergence: mean cross-entropy and an L2 penalty, by Newton's method.

Scores of K classes that are all raised by the same amount give the same probabilities, so that the Hessian over K classes is
singular. The head is therefore written in an orthonormal basis of the K - 1 contrasts between classes: the same minimum, a
Hessian that has an inverse, and fewer parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.influence.solve import conjugate_gradients

Floats = NDArray[np.float64]

#: Steps of Newton's method and halvings of one step before training gives up, and products of one step.
_STEPS, _HALVINGS, _PRODUCTS = 100, 40, 500
#: Norm of the gradient at which a head counts as converged.
CONVERGED = 1e-9


def contrasts(classes: int) -> Floats:
    """Return an orthonormal basis of the contrasts between classes, float64 of shape (K, K - 1): Helmert's."""
    basis = np.zeros((classes, classes - 1))
    for column in range(classes - 1):
        basis[: column + 1, column] = 1.0
        basis[column + 1, column] = -(column + 1.0)
        basis[:, column] /= np.sqrt((column + 1.0) * (column + 2.0))
    return basis


def probabilities(scores: Floats) -> Floats:
    """Return the softmax of scores of shape (n, K)."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Data:
    """Views that a head is trained or tested on.

    Attributes
    ----------
    x : float64 ndarray of shape (n, D + 1)
        Features, the last column 1.
    y : int64 ndarray of shape (n,)
        Classes, 0 to K - 1.
    classes : int
        K, at least 2.
    """

    x: Floats
    y: NDArray[np.int64]
    classes: int

    @classmethod
    def of(cls, features: Floats, y: NDArray[np.int64], classes: int) -> "Data":
        """Append the constant to features of shape (n, D)."""
        return cls(np.column_stack([features, np.ones(len(features))]), np.asarray(y, np.int64), classes)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Data":
        """Return some views."""
        return Data(self.x[rows], self.y[rows], self.classes)

    def labelled(self, y: NDArray[np.int64]) -> "Data":
        """Return the views with other classes."""
        return Data(self.x, y, self.classes)

    @cached_property
    def basis(self) -> Floats:
        """Contrasts between the classes."""
        return contrasts(self.classes)


@dataclass(frozen=True)
class Head:
    """A trained head.

    Attributes
    ----------
    v : float64 ndarray of shape (K - 1, D + 1)
        What each contrast weighs each feature with; the last column is the bias, which is not penalised.
    l2 : float
        Weight of |v|^2 / 2 beside the mean cross-entropy.
    gradient : float
        Norm of the objective's gradient at `v`.
    steps : int
        Steps of Newton's method.
    """

    v: Floats
    l2: float
    gradient: float
    steps: int

    def scores(self, data: Data) -> Floats:
        """Return scores of shape (n, K), which sum to 0 over the classes."""
        return data.x @ self.v.T @ data.basis.T

    def losses(self, data: Data) -> Floats:
        """Return the cross-entropy of each view."""
        return cross_entropies(self.scores(data), data.y)

    def predicted(self, data: Data) -> NDArray[np.int64]:
        """Return the class of highest score of each view, of equal ones the lower."""
        return np.asarray(self.scores(data).argmax(axis=1), np.int64)

    def residuals(self, data: Data) -> Floats:
        """Return r, of shape (n, K - 1): the gradient of a view's loss is the outer product of its r and its x."""
        wrong = probabilities(self.scores(data))
        wrong[np.arange(len(data.y)), data.y] -= 1.0
        return wrong @ data.basis

    @property
    def weights(self) -> Floats:
        """What each class weighs each feature with, and its bias: float64 of shape (K, D + 1)."""
        return contrasts(len(self.v) + 1) @ self.v

    @classmethod
    def of_weights(cls, weights: Floats, l2: float) -> "Head":
        """Return the head that has these `weights`."""
        return cls(contrasts(len(weights)).T @ weights, l2, np.nan, 0)


def cross_entropies(scores: Floats, y: NDArray[np.int64]) -> Floats:
    """Return the cross-entropy of scores of shape (n, K) with classes of shape (n,)."""
    top = scores.max(axis=1)
    return np.asarray(np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(len(y)), y])


def curvature(data: Data, p: Floats, weight: Floats, l2: float) -> Callable[[Floats], Floats]:
    """Return the product of the objective's Hessian with a v, where the classes have probabilities p of shape (n, K)."""
    share = weight[:, None] * p

    def product(v: Floats) -> Floats:
        moved = data.x @ v.T @ data.basis.T
        moved = share * (moved - (p * moved).sum(axis=1, keepdims=True))
        found = (moved @ data.basis).T @ data.x
        found[:, :-1] += l2 * v[:, :-1]
        return np.asarray(found)

    return product


def train(
    data: Data, l2: float, *, start: Floats | None = None, without: int | NDArray[np.int64] | None = None
) -> Head:
    """Train a head until the norm of its gradient is at most `CONVERGED`, or nothing lowers the objective any more.

    Parameters
    ----------
    data : Data
        Training views, of at least two classes.
    l2 : float
        Weight of |v|^2 / 2, above 0.
    start : float64 ndarray of shape (K - 1, D + 1), optional
        Where to begin; zeros by default. The minimum is the same.
    without : int or int64 ndarray, optional
        Views that are left out, not all of a class: the sum of the other losses over n, so that the penalty weighs as it did.

    Returns
    -------
    Head
    """
    n = len(data.y)
    weight = np.full(n, 1.0 / n)
    if without is not None:
        weight[without] = 0.0

    def objective(v: Floats) -> tuple[float, Floats]:
        scores = data.x @ v.T @ data.basis.T
        return float(weight @ cross_entropies(scores, data.y) + l2 / 2 * (v[:, :-1] ** 2).sum()), scores

    v = np.zeros((data.classes - 1, data.x.shape[1])) if start is None else start.copy()
    value, scores = objective(v)
    steps = 0
    while True:
        p = probabilities(scores)
        wrong = weight[:, None] * p
        wrong[np.arange(n), data.y] -= weight
        gradient = (wrong @ data.basis).T @ data.x
        gradient[:, :-1] += l2 * v[:, :-1]
        norm = float(np.linalg.norm(gradient))
        if norm <= CONVERGED or steps == _STEPS:
            break
        product = curvature(data, p, weight, l2)
        towards, _ = conjugate_gradients(product, -gradient, min(0.1, np.sqrt(norm)), _PRODUCTS)
        slope, length = float((gradient * towards).sum()), 1.0
        for _ in range(_HALVINGS):
            found, there = objective(v + length * towards)
            if found <= value + 1e-4 * length * slope + 1e-15 * abs(value):
                break
            length /= 2
        else:
            break
        v, value, scores, steps = v + length * towards, found, there, steps + 1
    return Head(v, l2, norm, steps)


__all__ = ["CONVERGED", "Data", "Head", "contrasts", "cross_entropies", "curvature", "probabilities", "train"]
