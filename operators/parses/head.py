"""Learning the weights of an And-Or head: a linear score of every class for each rectangle, first folded, then unfolded."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from filterscope.operators.parses.grid import grid_of
from filterscope.operators.parses.parsing import folding, leaf_weights, parse

#: Of Adam: decay of the two moments, and what is added to the root.
_FIRST, _SECOND, _SMALL = 0.9, 0.999, 1e-8
_RATE, _DECAY, _DEVIATION = 3e-3, 1e-2, 0.01


class Head(NamedTuple):
    """An And-Or head of R rectangles, d features and C classes.

    Attributes
    ----------
    weight : float64 ndarray of shape (R, d, C)
    bias : float64 ndarray of shape (R, C)
    k : int
        Rows and columns of the grid.
    mode : {"mean", "sum"}
        How an And node combines its parts.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    k: int
    mode: str


def pooled(cells: NDArray[np.floating], k: int) -> NDArray[np.float64]:
    """Return the mean features of every rectangle, float64 of shape (n, R, d), from those of cells, (n, k * k, d)."""
    held = grid_of(k).cells.astype(np.float64)
    held /= held.sum(axis=1, keepdims=True)
    return np.asarray(held @ cells)


def leaf_scores(head: Head, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each rectangle scores as a leaf for each class, float64 of shape (n, C, R), from features (n, R, d)."""
    scores = np.matmul(features.transpose(1, 0, 2), head.weight) + head.bias[:, None]
    return np.asarray((scores * leaf_weights(head.k, head.mode)[:, None, None]).transpose(1, 2, 0))


def class_scores(head: Head, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of the best parse of each class, float64 of shape (n, C)."""
    leaf = leaf_scores(head, features)
    return parse(leaf.reshape(-1, leaf.shape[2]), head.k, margins=False).score.reshape(leaf.shape[:2])


def initial(k: int, dims: int, classes: int, mode: str, random: np.random.Generator) -> Head:
    """Return a head before it has learned: small random weights."""
    rectangles = len(grid_of(k).rectangles)
    weight = random.normal(0, _DEVIATION, (rectangles, dims, classes))
    return Head(weight, np.zeros((rectangles, classes)), k, mode)


class Learner:
    """Full-batch Adam on the cross-entropy of an And-Or head.

    Parameters
    ----------
    head : Head
        Where it begins; changed in place.
    features : float64 ndarray of shape (n, R, d)
        Of the boxes, as `pooled` returns.
    target : int64 ndarray of shape (n,)
        Their classes.
    """

    def __init__(self, head: Head, features: NDArray[np.float64], target: NDArray[np.int64]) -> None:
        self.head, self._target = head, target
        self._by_rectangle = np.ascontiguousarray(features.transpose(1, 0, 2))
        self._features = features
        self.moments = [np.zeros_like(value) for value in (head.weight, head.bias) for _ in range(2)]
        self.step = 0

    def update(self, *, folded: bool) -> float:
        """Take one step and return the loss before it: of the mean over all parses, or of the best one."""
        loss, gradients = self._gradients(folded)
        self.step += 1
        for place, value in enumerate((self.head.weight, self.head.bias)):
            slope = gradients[place] + _DECAY * value
            first, second = self.moments[2 * place : 2 * place + 2]
            first += (1 - _FIRST) * (slope - first)
            second += (1 - _SECOND) * (slope**2 - second)
            root = np.sqrt(second / (1 - _SECOND**self.step)) + _SMALL
            value -= _RATE * first / (1 - _FIRST**self.step) / root
        return loss

    def _gradients(self, folded: bool) -> tuple[float, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        leaf = leaf_scores(self.head, self._features)
        count, classes, rectangles = leaf.shape
        counted: NDArray[np.float64]
        if folded:
            counted = np.broadcast_to(folding(self.head.k), leaf.shape)
            scores = leaf @ folding(self.head.k)
        else:
            best = parse(leaf.reshape(-1, rectangles), self.head.k, margins=False)
            counted = best.leaves.reshape(leaf.shape).astype(np.float64)
            scores = best.score.reshape(count, classes)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        loss = float(-np.log(np.maximum(shares[np.arange(count), self._target], 1e-300)).mean())
        shares[np.arange(count), self._target] -= 1
        weights = leaf_weights(self.head.k, self.head.mode)
        slopes = (counted * (shares / count)[:, :, None]).transpose(2, 0, 1) * weights[:, None, None]
        return loss, (np.matmul(self._by_rectangle.transpose(0, 2, 1), slopes), slopes.sum(axis=1))


def learned(
    features: NDArray[np.float64],
    target: NDArray[np.int64],
    k: int,
    classes: int,
    *,
    mode: str,
    steps: int,
    random: np.random.Generator,
) -> Head:
    """Return a head that has learned: folded for half of the steps, unfolded after.

    Parameters
    ----------
    features : float64 ndarray of shape (n, R, d)
        Of the boxes to learn from, as `pooled` returns, of mean 0 and standard deviation about 1.
    target : int64 ndarray of shape (n,)
        Their classes.
    k, classes : int
        Rows and columns of the grid, and how many classes there are.
    mode : {"mean", "sum"}
        How an And node combines its parts.
    steps : int
        Updates, each by all boxes.
    random : numpy.random.Generator
        Draws the initial weights.

    References
    ----------
    Wu et al. 2017, section 3.3. Mean And nodes are ours: summed, a parse of more leaves scores more.
    """
    learner = Learner(initial(k, features.shape[2], classes, mode, random), features, target)
    with threadpool_limits(limits=1):
        for step in range(steps):
            learner.update(folded=step < steps // 2)
    return learner.head


__all__ = ["Head", "Learner", "class_scores", "initial", "leaf_scores", "learned", "pooled"]
