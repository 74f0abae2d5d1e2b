"""A tree and its controls on the views of one category: which node each view comes to at every cut, and how good it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from filterscope.operators.decision_tree.alpha import Mode
from filterscope.operators.decision_tree.controls import clustered, shuffled
from filterscope.operators.decision_tree.explain import Explained, cosines, parsed, right_signs, score_error
from filterscope.operators.decision_tree.pool import Pooled
from filterscope.operators.decision_tree.tree import Nodes, Tree
from filterscope.operators.numerics.seeds import seed_of

ROOT, SECOND, LEAVES = "root", "second layer", "leaves"
TREE, RANDOM, KMEANS = "tree", "random tree", "k-means"


@dataclass(frozen=True)
class Study:
    """A tree over n views, with the negatives beside.

    Attributes
    ----------
    positives, negatives : Pooled
        The views.
    tree : Tree
        Over the positives.
    mode : {"ones", "lasso", "binary"}
        How nodes weigh filters.
    numbers : tuple of int
        Nodes of the cuts that were asked.
    part_of : int64 ndarray of shape (D,)
        Part of each filter, -1 where none.
    parts : int
        How many parts there are.
    drops : float64 ndarray of shape (n, parts)
        By how much scores fall without a part's filters, NaN where that was not tried.
    """

    positives: Pooled
    negatives: Pooled
    tree: Tree
    mode: Mode
    numbers: tuple[int, ...]
    part_of: np.ndarray
    parts: int
    drops: np.ndarray

    @property
    def cuts(self) -> list[tuple[str, int]]:
        """Names of the cuts and numbers of their nodes; numbers that the tree does not have are left out."""
        leaves = self.tree.leaves
        between = [(str(number), number) for number in sorted(set(self.numbers)) if number < leaves]
        return [(ROOT, 1), (SECOND, self.tree.second), *between, (LEAVES, leaves)]

    @cached_property
    def cosine(self) -> np.ndarray:
        """Cosine of each positive with each node, float64 of shape (n, 2 n - 1)."""
        return cosines(self.positives, self.tree.nodes)

    @cached_property
    def leaf(self) -> np.ndarray:
        """Leaf that each positive comes to, int64 of shape (n,)."""
        return parsed(self.tree, self.cosine)

    def node(self, nodes: int) -> np.ndarray:
        """Return the node of each positive at a cut, int64 of shape (n,)."""
        return self.tree.at(nodes)[self.leaf]

    def explained(self, node: np.ndarray) -> Explained:
        """Return what nodes of the tree, one for each positive, say of them."""
        return Explained.by(self.positives, self.tree.nodes.take(node))

    def part_contributions(self, found: Explained) -> np.ndarray:
        """Return contributions of parts to the scores of the positives, float64 of shape (n, parts)."""
        return found.parts(self.part_of, self.parts) * self.positives.length[:, None]

    def summaries(self) -> Iterator[dict[str, object]]:
        """Yield how good tree and controls are at each cut."""
        random = shuffled(self.tree, self.positives, self.mode, seed_of("decision-tree", "random tree"))
        trees = {TREE: self.tree, RANDOM: random}
        both = self.positives, self.negatives
        leaves = {name: [parsed(tree, cosines(views, tree.nodes)) for views in both] for name, tree in trees.items()}
        for cut, count in self.cuts:
            for name, tree in trees.items():
                if name == TREE or cut != ROOT:  # they share the root
                    at = tree.at(count)
                    yield self._summary(cut, count, name, *(tree.nodes.take(at[leaf]) for leaf in leaves[name]))
            if cut not in (ROOT, LEAVES):
                labels = clustered(self.positives.g, count, seed_of("decision-tree", "k-means", count))
                groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
                nodes = Nodes.of(self.positives, groups, self.mode)
                chosen = (nodes.take(cosines(views, nodes).argmax(axis=1)) for views in both)
                yield self._summary(cut, count, KMEANS, *chosen)

    def _summary(self, cut: str, count: int, name: str, own: Nodes, others: Nodes) -> dict[str, object]:
        found, beside = Explained.by(self.positives, own), Explained.by(self.negatives, others)
        fitness, length = found.fitness(self.positives), self.positives.length
        true = self.positives.y * length
        signs = [np.append(self.positives.y, self.negatives.y), np.append(found.score, beside.score)]
        return {
            "cut": cut,
            "nodes": count,
            "grouping": name,
            "fitness": _mean(fitness),
            "part_error": _mean(np.abs(self.part_contributions(found) - self.drops)[:, self._filled] / true[:, None]),
            "accuracy": right_signs(signs[1], signs[0]),
            "score_error": score_error(found.score * length, true),
        }

    @cached_property
    def _filled(self) -> np.ndarray:
        return np.array([(self.part_of == part).any() for part in range(self.parts)], bool)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


__all__ = ["KMEANS", "LEAVES", "RANDOM", "ROOT", "SECOND", "TREE", "Study"]
