"""Partitions of the views of a critical class: clusters of activations, and conjunctions of features and confidence."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from filterscope.operators.blind_spots.apriori import frequent
from filterscope.operators.blind_spots.bits import packed
from filterscope.operators.blind_spots.clusters import cluster
from filterscope.operators.blind_spots.cover import costs, cover
from filterscope.pipeline.methods.blind_spots.features import Features

#: Features that patterns are made of at most: those nearest to one view in two.
MOST_FEATURES = 64
#: Bins of equally many views that confidences are put into.
BINS = 4
#: Views of a cluster, where the number of clusters is not given, and clusters at most.
CLUSTER_VIEWS, MOST_CLUSTERS = 20, 5000
_REST = "rest"


@dataclass(frozen=True)
class Partition:
    """Views in partitions.

    Attributes
    ----------
    method : str
        clusters or patterns.
    label : int64 ndarray of shape (n,)
        Partition of each view; every partition has members.
    patterns : tuple of str, optional
        What the members of each partition have in common, where that is stated.
    conditions : tuple of tuple of str
        The features that each partition is defined by.
    """

    method: str
    label: np.ndarray
    patterns: tuple[str, ...] | None
    conditions: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """Partitions."""
        return len(self.conditions)


def clustered(points: np.ndarray, count: int | None, seed: int) -> Partition:
    """Cluster views by what they are along some axes, float32 of shape (n, d)."""
    views = len(points)
    asked = min(views // CLUSTER_VIEWS, MOST_CLUSTERS) if count is None else count
    label = cluster(points, max(min(asked, views), 1), seed).labels
    return Partition("clusters", label, None, ((),) * (int(label.max()) + 1))


def described(features: Features, confidence: np.ndarray, lowest: float, support: float) -> Partition:
    """Cover views by conjunctions that at least the share `support` of them meets; confidences are over `lowest`."""
    views, have = len(confidence), features.has.sum(axis=0)
    order = np.argsort(np.abs(2 * have - views), kind="stable")[:MOST_FEATURES]
    chosen = np.sort(order)
    bins, names = _binned(confidence, lowest)
    items = [*(features.names[feature] for feature in chosen), *names]
    words = packed(np.concatenate([features.has[:, chosen], bins], axis=1))
    least = max(int(np.ceil(support * views)), 1)
    patterns, counts = frequent(words, least)
    scaled = (confidence - lowest) / (1 - lowest)
    found = cover(words, patterns, counts, costs(words, patterns, len(chosen), scaled), views, least)
    conditions = [tuple(items[item] for item in patterns[number] if item >= 0) for number in found.chosen]
    if (found.partition == len(conditions)).any():
        conditions.append(())
    stated = tuple(" and ".join(pattern) or _REST for pattern in conditions)
    return Partition("patterns", found.partition, stated, tuple(conditions))


def _binned(confidence: np.ndarray, lowest: float) -> tuple[np.ndarray, list[str]]:
    """Return which views are in each bin of the confidence, bool of shape (n, bins), and the bins' names."""
    shares = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(confidence, shares, method="inverted_cdf"))
    edges = np.concatenate([[lowest], edges[edges < confidence.max()], [1.0]])
    place = np.searchsorted(edges[1:-1], confidence, side="left")
    names = [f"confidence {low:.3g}-{high:.3g}" for low, high in pairwise(edges.tolist())]
    return place[:, None] == np.arange(len(names)), names


__all__ = ["BINS", "CLUSTER_VIEWS", "MOST_CLUSTERS", "MOST_FEATURES", "Partition", "clustered", "described"]
