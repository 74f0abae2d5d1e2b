"""How mixed the labels of partitions are, and how often their views are wrong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Purity:
    """Labels of P partitions.

    Attributes
    ----------
    labelled : int64 ndarray of shape (P,)
        Members whose label is known.
    purity : float64 ndarray of shape (P,)
        Share of the commonest label among these; NaN where there are none.
    entropy : float64 ndarray of shape (P,)
        Of their distribution over the labels, bits; NaN where there are none.
    """

    labelled: NDArray[np.int64]
    purity: NDArray[np.float64]
    entropy: NDArray[np.float64]


def purity(partition: NDArray[np.int64], label: NDArray[np.int64], count: int) -> Purity:
    """Return how mixed the labels of each of `count` partitions are.

    Parameters
    ----------
    partition : int64 ndarray of shape (n,)
        Partition of each view.
    label : int64 ndarray of shape (n,)
        Label of each view, -1 where it is not known.
    count : int
        Partitions.
    """
    known = label >= 0
    pairs, sizes = np.unique(np.stack([partition[known], label[known]]), axis=1, return_counts=True)
    labelled = np.bincount(partition[known], minlength=count)
    largest, entropy = np.zeros(count), np.zeros(count)
    np.maximum.at(largest, pairs[0], sizes)
    shares = sizes / labelled[pairs[0]]
    np.add.at(entropy, pairs[0], -shares * np.log2(shares))
    with np.errstate(invalid="ignore"):
        return Purity(labelled, largest / labelled, np.where(labelled > 0, entropy + 0.0, np.nan))


__all__ = ["Purity", "purity"]
