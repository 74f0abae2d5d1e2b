"""Features that a partition has more often than views at large, with p values that allow for all that was looked at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Overrepresented:
    """P partitions and F features.

    Attributes
    ----------
    views : int64 ndarray of shape (P, F)
        Members of a partition that have a feature.
    lift : float64 ndarray of shape (P, F)
        Share of members with it over the share of all views; NaN where no view has it.
    p : float64 ndarray of shape (P, F)
        Probability of as many, were the members drawn from all views without replacement.
    q : float64 ndarray of shape (P, F)
        False-discovery rate at which this p would be called, over all pairs.
    """

    views: NDArray[np.int64]
    lift: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]


def overrepresented(
    partition: NDArray[np.int64], features: NDArray[np.bool_], count: int, *, tested: NDArray[np.bool_] | None = None
) -> Overrepresented:
    """Test every feature in each of `count` partitions.

    Parameters
    ----------
    partition : int64 ndarray of shape (n,)
        Partition of each view.
    features : bool ndarray of shape (n, F)
        Which views have which feature.
    count : int
        Partitions, P.
    tested : bool ndarray of shape (P, F), optional
        Pairs that are tested, by default all; p and q of the others are 1.

    References
    ----------
    Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, 1995.
    """
    from scipy.stats import false_discovery_control, hypergeom

    size, having = np.bincount(partition, minlength=count), features.sum(axis=0)
    views = np.zeros((count, features.shape[1]), np.int64)
    np.add.at(views, partition, features)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = size[:, None] * having / max(len(partition), 1)
        lift = views / expected
    asked = np.ones(views.shape, bool) if tested is None else tested
    p = np.ones(views.shape)
    at = np.nonzero(asked & (views > expected))  # of fewer than expected p is nowhere near 0
    p[at] = hypergeom.sf(views[at] - 1, len(partition), having[at[1]], size[at[0]])
    q = np.ones(views.shape)
    q[asked] = false_discovery_control(p[asked])  # Benjamini & Hochberg 1995
    return Overrepresented(views, lift, p, q)


__all__ = ["Overrepresented", "overrepresented"]
