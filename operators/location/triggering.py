"""Which images trigger a unit: each image triggers a small share of the patterns that there are."""

import numpy as np
from numpy.typing import NDArray

#: Best responses whose mean is the yardstick, and the share of it that triggers.
BEST, TRIGGER = 20, 0.5


def triggered_among(strength: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where a response is above 0 and at least half the mean of the 20 best of its row.

    Parameters
    ----------
    strength : float ndarray of shape (R, n)
        Responses of R units, best first; -inf or NaN after the last.
    """
    best = strength[:, :BEST].astype(np.float64)
    there = np.isfinite(best)
    total = np.where(there, best, 0.0).sum(axis=1)
    bar = TRIGGER * total / np.maximum(there.sum(axis=1), 1)
    return np.asarray((strength >= bar[:, None]) & (strength > 0), np.bool_)


__all__ = ["BEST", "TRIGGER", "triggered_among"]
