"""What the data alone say of two attributes, and what of a relation they do not explain."""

import numpy as np
from numpy.typing import NDArray


def correlation(one: NDArray[np.int8], other: NDArray[np.int8]) -> tuple[float, float, int]:
    """Return how two binary attributes go together in the labels of n images.

    Parameters
    ----------
    one, other : int8 ndarray of shape (n,)
        1 where an image has the attribute, 0 where it has not, -1 where that is not known.

    Returns
    -------
    phi : float
        Pearson correlation; NaN where one is the same on all images of which both are known.
    information : float
        H(one) - H(one | other) in bits; NaN without images.
    images : int
        Images of which both are known.
    """
    known = (one >= 0) & (other >= 0)
    counts = np.zeros((2, 2))
    np.add.at(counts, (one[known], other[known]), 1)
    images = int(counts.sum())
    if not images:
        return np.nan, np.nan, 0
    shares = counts / images
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    spread = float(np.sqrt(rows.prod() * columns.prod()))
    phi = float(shares[1, 1] - rows[1] * columns[1]) / spread if spread > 0 else np.nan
    return phi, max(_entropy(rows) + _entropy(columns) - _entropy(shares.ravel()), 0.0), images


def _entropy(shares: NDArray[np.float64]) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())


def residuals(
    relation: NDArray[np.float64], explained: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Return what a straight line through the correlations in the data leaves of the relations of P pairs.

    Parameters
    ----------
    relation, explained : float64 ndarray of shape (P,)
        Mined relation and correlation in the data; NaN where not known.

    Returns
    -------
    residual : float64 ndarray of shape (P,)
        relation - (slope * explained + intercept); NaN where one is not known, or fewer than three pairs are.
    slope, intercept : float
        Of least squares; NaN likewise, and the slope 0 where all pairs correlate alike.
    """
    known = ~(np.isnan(relation) | np.isnan(explained))
    if known.sum() < 3:
        return np.full(len(relation), np.nan), np.nan, np.nan
    x, y = explained[known], relation[known]
    away = x - x.mean()
    squares = float((away**2).sum())
    slope = float((away * y).sum()) / squares if squares > 1e-12 else 0.0
    intercept = float(y.mean() - slope * x.mean())
    return relation - (slope * explained + intercept), slope, intercept


def ranks(size: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each pair, 1 for the largest magnitude; of equal ones the first comes first, NaN last."""
    known = np.where(np.isnan(size), -np.inf, np.abs(size))
    place = np.empty(len(size), np.int64)
    place[np.argsort(-known, kind="stable")] = np.arange(1, len(size) + 1)
    return place


__all__ = ["correlation", "ranks", "residuals"]
