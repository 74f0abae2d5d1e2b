"""Slow twins of heads on features and of influence: one view and one class at a time, gradients by differences."""

import numpy as np


def loss(weights: np.ndarray, x: np.ndarray, y: int) -> float:
    """Cross-entropy of one view; `weights` of shape (K, D + 1), `x` of shape (D + 1,)."""
    scores = [sum(w * value for w, value in zip(row, x, strict=True)) for row in weights]
    return float(np.log(sum(np.exp(s - scores[y]) for s in scores)))


def objective(weights: np.ndarray, x: np.ndarray, y: np.ndarray, l2: float) -> float:
    """Mean cross-entropy and the penalty on all but the biases."""
    penalty = l2 / 2 * sum(w**2 for row in weights for w in row[:-1])
    return sum(loss(weights, one, int(label)) for one, label in zip(x, y, strict=True)) / len(y) + penalty


def gradient(weights: np.ndarray, x: np.ndarray, y: int) -> np.ndarray:
    """Gradient of one view's loss, of shape (K, D + 1): class by class, p less 1 for the true one, times x."""
    scores = weights @ x
    total = sum(np.exp(s - scores.max()) for s in scores)
    found = np.zeros(weights.shape)
    for k, score in enumerate(scores):
        found[k] = (np.exp(score - scores.max()) / total - (k == y)) * x
    return found


def hessian(weights: np.ndarray, x: np.ndarray, y: np.ndarray, l2: float, step: float = 1e-5) -> np.ndarray:
    """Hessian of the objective over all K (D + 1) weights, by central differences of its gradient."""

    def slope(flat: np.ndarray) -> np.ndarray:
        here = flat.reshape(weights.shape)
        total = sum(gradient(here, one, int(label)) for one, label in zip(x, y, strict=True)) / len(y)
        total[:, :-1] += l2 * here[:, :-1]
        return total.ravel()

    flat = weights.ravel()
    moves = step * np.eye(len(flat))
    return np.array([(slope(flat + move) - slope(flat - move)) / (2 * step) for move in moves])


def influence(
    weights: np.ndarray, x: np.ndarray, y: np.ndarray, l2: float, test: tuple[np.ndarray, int], damping: float = 0.0
) -> list[float]:
    """By how much the loss of a test view rises without each training view, to first order: g_test^T H^+ g / n."""
    matrix = hessian(weights, x, y, l2)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    # what raises all classes alike changes nothing, and has no curvature but that of the penalty
    inverse = (vectors / np.where(values > 1e-7, values + damping, np.inf)) @ vectors.T
    asked = inverse @ gradient(weights, *test).ravel()
    return [float(asked @ gradient(weights, one, int(label)).ravel()) / len(y) for one, label in zip(x, y, strict=True)]


def group(each: list[float], members: list[int]) -> float:
    """Influence of a group on a test view, from those of all training views."""
    total = 0.0
    for member in members:
        total += each[member]
    return total


def slope(weights: np.ndarray, solved: np.ndarray, x: np.ndarray, y: int, step: float = 1e-6) -> list[float]:
    """How -solved . gradient changes with each feature of a view, by central differences; `solved` of shape (K, D + 1)."""

    def pulled(here: np.ndarray) -> float:
        return -float((solved * gradient(weights, here, y)).sum())

    moves = step * np.eye(len(x))[:-1]
    return [(pulled(x + move) - pulled(x - move)) / (2 * step) for move in moves]
