"""What a step along a direction of the codes does to factors, and whether an axis is more specific than random directions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Axes are counted above this quantile of random directions.
LEVEL = 0.95


class Effect(NamedTuple):
    """What D directions do to M factors; float64 of shape (D, M).

    Attributes
    ----------
    effect : ndarray
        Mean over images of the least-squares slope of the factor along the direction, in its standard deviations per step of 1.
    error : ndarray
        Standard error of that mean.
    linearity : ndarray
        Mean R2 of the lines; NaN where the factor never changes.
    monotone : ndarray
        Share of images on which the factor rises, or falls, at every step.
    """

    effect: NDArray[np.float64]
    error: NDArray[np.float64]
    linearity: NDArray[np.float64]
    monotone: NDArray[np.float64]


def effects(factors: NDArray[np.float64], steps: NDArray[np.float64], scale: NDArray[np.float64]) -> Effect:
    """Measure what directions do.

    Parameters
    ----------
    factors : float64 ndarray of shape (D, g, S, M)
        Factors of the image decoded from base g, moved along direction D by step S.
    steps : float64 ndarray of shape (S,)
        Steps, increasing.
    scale : float64 ndarray of shape (M,)
        Standard deviation of each factor over the data; what does not vary there has no effect.
    """
    unit = np.where(scale > 0, scale, np.inf)
    moved = factors / unit
    e = steps - steps.mean()
    centred = moved - moved.mean(axis=2, keepdims=True)
    slope = (centred * e[:, None]).sum(axis=2) / (e**2).sum()
    total = (centred**2).sum(axis=2)
    line = slope**2 * (e**2).sum()
    change = np.diff(factors, axis=2)
    monotone = (change > 0).all(axis=2) | (change < 0).all(axis=2)
    bases = factors.shape[1]
    seen = total > 1e-18
    with np.errstate(divide="ignore", invalid="ignore"):
        linearity = np.where(seen, line / total, 0).sum(axis=1) / seen.sum(axis=1)
    error = slope.std(axis=1, ddof=1) / np.sqrt(bases) if bases > 1 else np.full(slope[:, 0].shape, np.nan)
    return Effect(slope.mean(axis=1), error, linearity, monotone.mean(axis=1))


def specificity(effect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share that the largest effect has in all, of each direction: float64 (D,); NaN where there is none."""
    size = np.abs(effect)
    total = size.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 1e-12, size.max(axis=1) / total, np.nan)


def whitening(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ZCA matrix, (M, M), that makes standardised factors, (n, M), uncorrelated; of what does not vary zeros.

    Effects times it are those on whitened factors, since both are linear.
    """
    spread = factors.std(axis=0)
    standard = (factors - factors.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    kept = values > 1e-9 * max(values.max(), 1e-300)
    root = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1)), 0)
    return np.asarray((vectors * root) @ vectors.T)


def random_directions(count: int, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw unit vectors uniformly: float64 of shape (count, size)."""
    drawn = random.standard_normal((count, size))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def p_values(axes: NDArray[np.float64], random: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of random directions, with the axis as one more, that are as specific: float64; NaN where an axis is."""
    known = np.sort(random[~np.isnan(random)])
    as_good = len(known) - np.searchsorted(known, axes, "left")
    return np.where(np.isnan(axes), np.nan, (1 + as_good) / (1 + len(known)))


def q_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the false discovery rates of Benjamini & Hochberg (1995) of p values of any shape; NaN stays."""
    from scipy.stats import false_discovery_control

    found, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        found[known] = false_discovery_control(p[known])
    return found


def quantile(values: NDArray[np.float64], level: float = LEVEL) -> float:
    """Return a quantile of what is known; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(np.quantile(known, level)) if len(known) else float("nan")


__all__ = [
    "LEVEL",
    "Effect",
    "effects",
    "p_values",
    "q_values",
    "quantile",
    "random_directions",
    "specificity",
    "whitening",
]
