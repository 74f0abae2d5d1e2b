"""How much parses depend on the category, and whether two ways to parse agree: each beside chance."""

import numpy as np
from numpy.typing import NDArray


def entropies(tree: NDArray[np.int64], category: NDArray[np.int64], categories: int) -> NDArray[np.float64]:
    """Return the entropy of the trees of each category in bits, float64 of shape (categories,); 0 for one without boxes.

    Parameters
    ----------
    tree, category : int64 ndarray of shape (n,)
        Tree and category of each box, numbered from 0.
    categories : int
        How many there are.
    """
    trees = int(tree.max()) + 1 if len(tree) else 1
    counts = np.bincount(category * trees + tree, minlength=categories * trees).reshape(categories, trees)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1) + 0.0)


def agreement(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[float, float]:
    """Return the share of boxes that two parsers parse alike, and that of pairs of different boxes.

    Parameters
    ----------
    one, other : int64 ndarray of shape (n,)
        Trees of the same boxes, numbered alike.

    Returns
    -------
    observed, chance : float
        NaN for no box, and for fewer than two.
    """
    count = len(one)
    if not count:
        return float("nan"), float("nan")
    same = int((one == other).sum())
    trees = int(max(one.max(), other.max())) + 1
    pairs = int((np.bincount(one, minlength=trees) * np.bincount(other, minlength=trees)).sum())
    chance = (pairs - same) / (count * (count - 1)) if count > 1 else float("nan")
    return same / count, chance


__all__ = ["agreement", "entropies"]
