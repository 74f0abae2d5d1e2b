"""Patterns of linear neurons: the direction in which the input moves with what a neuron detects, other than its weights.

A neuron y = w^T x + b sees x = a y + d, of a signal along the pattern a and a distractor d. Its weights must cancel the
distractor, so they point along it too; the pattern alone tells what the neuron detects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Below this share of the terms that it is the sum of, a covariance is what rounding left of them.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PatternSums:
    """Sums over the inputs of O neurons, of F values each, that count: of a neuron with a ReLU, where its output y is positive.

    Attributes
    ----------
    count : float64 ndarray of shape (O,)
        Inputs.
    y : float64 ndarray of shape (O,)
        Sum of y, or of y less a constant of the neuron, which then goes for x y too.
    x, xy : float64 ndarray of shape (O, F)
        Sums of x and of x y.
    """

    count: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    xy: NDArray[np.float64]


def signal_patterns(weight: NDArray[np.float64], sums: PatternSums) -> NDArray[np.float64]:
    """Return the pattern of each neuron.

    Sums where y is positive make it the two-component estimator, of what a ReLU lets through; sums over all inputs the
    linear one, of a neuron that nothing rectifies.

    Parameters
    ----------
    weight : float64 ndarray of shape (O, F)
        Weights w.
    sums : PatternSums
        Of their inputs.

    Returns
    -------
    float64 ndarray of shape (O, F)
        a = c / (w^T c), for c the covariance of x and y, so that w^T a = 1. Zeros, a neuron without a
        pattern, where fewer than two inputs count, or y is the same on all of them.

    References
    ----------
    Kindermans et al. 2018, Learning how to explain neural networks: PatternNet and PatternAttribution, section 4.1.
    """
    count = np.maximum(sums.count, 1)[:, None]
    together, apart = sums.xy / count, sums.x / count * (sums.y[:, None] / count)
    covariance = together - apart
    along = (weight * covariance).sum(axis=1)
    terms = (np.abs(weight) * (np.abs(together) + np.abs(apart))).sum(axis=1)
    has = (sums.count > 1) & (along > _ROUNDING * terms)
    return np.where(has[:, None], covariance / np.where(has, along, 1)[:, None], 0)


__all__ = ["PatternSums", "signal_patterns"]
