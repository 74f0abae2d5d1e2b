"""How far two maps rank the places of an image alike."""

import numpy as np
from numpy.typing import NDArray


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return Spearman's rank correlation of two maps of one shape; equal values share the mean of their ranks.

    Returns
    -------
    float
        From -1 to 1; NaN where a map is the same everywhere.

    References
    ----------
    Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 4.
    """
    from scipy.stats import rankdata

    first, second = (rankdata(values.ravel()) for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    lengths = np.sqrt((first @ first) * (second @ second))
    return float(np.clip(first @ second / lengths, -1, 1)) if lengths > 0 else float("nan")


__all__ = ["rank_correlation"]
