"""What a tree says of an image: the mode by which it was decided, and what each filter and part gave; and how true that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.decision_tree.pool import Pooled
from filterscope.operators.decision_tree.tree import Floats, Ints, Nodes, Tree


def cosines(images: Pooled, nodes: Nodes) -> Floats:
    """Return cosines of images' gradients with the directions of k nodes: float64 of shape (n, k), 0 where either is 0."""
    return np.asarray(np.einsum("nd,kd->nk", images.g, nodes.directions), np.float64)


def parsed(tree: Tree, cosine: Floats) -> Ints:
    """Descend from the root, to the child whose direction is nearest to the image's gradient; equal ones to the lower number.

    Parameters
    ----------
    tree : Tree
        Of m leaves.
    cosine : float64 ndarray of shape (n, 2 m - 1)
        Of each image with each node.

    Returns
    -------
    int64 ndarray of shape (n,)
        The leaf that each image comes to; its node at a cut is the one that this leaf is in.
    """
    second = np.unique(tree.at(tree.second))
    node = second[cosine[:, second].argmax(axis=1)]
    rows = np.arange(len(node))
    while True:
        left, right = tree.left[node], tree.right[node]
        inner = left >= 0
        if not inner.any():
            return np.asarray(node, np.int64)
        child = np.where(cosine[rows, left] >= cosine[rows, right], left, right)
        node = np.where(inner, child, node)


@dataclass(frozen=True)
class Explained:
    """What the nodes that images fall into say of them, in the scale of `Pooled`.

    Attributes
    ----------
    contributions : float64 ndarray of shape (n, D)
        Of each filter, rho = w o x.
    score : float64 ndarray of shape (n,)
        h(x).
    """

    contributions: Floats
    score: Floats

    @classmethod
    def by(cls, images: Pooled, nodes: Nodes) -> "Explained":
        """Explain n images by as many nodes, each by its own."""
        contributions = images.x * nodes.weights
        return cls(contributions, contributions.sum(axis=1) + nodes.bias)

    def fitness(self, images: Pooled) -> Floats:
        """Return how alike contributions and the gradient's own, t = g o x, are: (n,), 1 the same, NaN where t is 0.

        sum_d min(rho_d, |t_d|) / sum_d max(rho_d, |t_d|), with rho in the direction of t and 0 where it points the other way.
        """
        own = images.g * images.x
        size, along = np.abs(own), np.maximum(self.contributions * np.sign(own), 0.0)
        least, most = np.minimum(along, size).sum(axis=1), np.maximum(along, size).sum(axis=1)
        alike = np.divide(least, most, out=np.full(len(most), np.nan), where=size.sum(axis=1) > 0)
        return np.asarray(alike, np.float64)

    def parts(self, assigned: Ints, count: int) -> Floats:
        """Return contributions summed over the filters of each part: (n, count); `assigned` (D,), -1 for no part."""
        found = np.zeros((len(self.contributions), count))
        for part in range(count):
            found[:, part] = self.contributions[:, assigned == part].sum(axis=1)
        return found


def score_error(found: Floats, true: Floats) -> float:
    """Return the mean |h - y| in units of the range of y; NaN where all y are equal."""
    extent = float(true.max() - true.min())
    return float(np.abs(found - true).mean() / extent) if extent > 0 else np.nan


def right_signs(found: Floats, true: Floats) -> float:
    """Return the share of scores whose sign is right."""
    return float(((found > 0) == (true > 0)).mean())


def assign(peaks: Floats, centres: Floats, inside: NDArray[np.bool_] | None = None) -> Ints:
    """Assign each filter to the part that is most often nearest to where it responds most.

    Parameters
    ----------
    peaks : float64 ndarray of shape (n, D, 2)
        y and x of each filter's largest response; NaN where it has none.
    centres : float64 ndarray of shape (n, M, 2)
        y and x of each part's centre; NaN where an image does not show it.
    inside : bool ndarray of shape (n, D, M), optional
        Peaks that lie on a part: its distance counts as 0.

    Returns
    -------
    int64 ndarray of shape (D,)
        Number of the part, the first of equal ones; -1 where no image says.
    """
    votes = np.zeros((peaks.shape[1], centres.shape[1]), np.int64)
    for image, (of_filters, of_parts) in enumerate(zip(peaks, centres, strict=True)):
        apart = ((of_filters[:, None] - of_parts[None]) ** 2).sum(axis=2)
        if inside is not None:
            apart = np.where(inside[image], 0.0, apart)
        known = np.flatnonzero(~np.isnan(apart).all(axis=1)) if apart.size else np.zeros(0, np.int64)
        votes[known, np.nanargmin(apart[known], axis=1) if len(known) else known] += 1
    return np.where(votes.sum(axis=1) > 0, votes.argmax(axis=1), -1) if votes.shape[1] else np.full(len(votes), -1)


__all__ = ["Explained", "assign", "cosines", "parsed", "right_signs", "score_error"]
