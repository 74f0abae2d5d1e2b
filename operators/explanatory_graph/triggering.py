"""On which images a node is triggered."""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.location.triggering import BEST, TRIGGER


def triggered(score: NDArray[np.float32], learning: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a node's score is at least half the mean of its 20 best on learning views: bool of shape (I, K)."""
    best = -np.sort(-score[learning].astype(np.float64), axis=0)[:BEST]
    bar = TRIGGER * best.mean(axis=0)
    return np.asarray((score >= bar) & (score > 0), np.bool_)


__all__ = ["triggered"]
