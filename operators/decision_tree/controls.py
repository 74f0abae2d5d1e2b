"""What a decision tree must beat: the root alone, a tree of the same shape over shuffled images, and k-means of gradients."""

import numpy as np

from filterscope.operators.decision_tree.alpha import Mode
from filterscope.operators.decision_tree.pool import Pooled
from filterscope.operators.decision_tree.tree import Floats, Ints, Tree, fitted

_ROUNDS = 50


def shuffled(tree: Tree, images: Pooled, mode: Mode, seed: int) -> Tree:
    """Return a tree of the same shape, whose leaves are the images in an order drawn at random.

    Its gains are those of the tree that it stands beside.
    """
    order = np.random.default_rng(seed).permutation(tree.leaves)
    at = np.append(order, np.arange(tree.leaves, len(tree.left)))
    children = [np.where(side < 0, -1, at[side]) for side in (tree.left, tree.right)]
    return fitted(np.minimum(*children), np.maximum(*children), tree.gain, tree.second, images, mode)


def clustered(directions: Floats, count: int, seed: int) -> Ints:
    """Cluster unit vectors of shape (n, D) by k-means with cosines, begun as k-means++; return clusters, int64 of shape (n,).

    Clusters may come out empty where vectors are alike.
    """
    random = np.random.default_rng(seed)
    centres = directions[[int(random.integers(len(directions)))]]
    apart = 1 - _cosines(directions, centres)[:, 0]
    while len(centres) < count:
        weight = apart.clip(min=0)
        total = weight.sum()
        if total <= 1e-12:
            break
        drawn = min(int(np.searchsorted(np.cumsum(weight), random.random() * total, side="right")), len(directions) - 1)
        centres = np.concatenate([centres, directions[[drawn]]])
        apart = np.minimum(apart, 1 - _cosines(directions, centres[-1:])[:, 0])
    labels = np.full(len(directions), -1)
    for _ in range(_ROUNDS):
        found = _cosines(directions, centres).argmax(axis=1)
        if np.array_equal(found, labels):
            break
        labels = found
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, directions)
        length = np.sqrt((sums**2).sum(axis=1, keepdims=True))
        centres = np.where(length > 1e-12, sums / np.maximum(length, 1e-12), centres)
    return labels


def _cosines(directions: Floats, centres: Floats) -> Floats:
    return np.asarray(np.einsum("nd,kd->nk", directions, centres), np.float64)


__all__ = ["clustered", "shuffled"]
