"""How much of a map lies in a region."""

import numpy as np
from numpy.typing import NDArray


def energy_inside(values: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of what is positive in a map that lies in each region.

    Parameters
    ----------
    values : float32 ndarray of shape (h, w)
        The map, finite; what is negative counts as 0.
    masks : bool ndarray of shape (regions, h, w)
        The regions.

    Returns
    -------
    float64 ndarray of shape (regions,)
        NaN where nothing is positive. A map that is the same everywhere has the share of the region's area.

    References
    ----------
    Wang et al. 2020, Score-CAM, section 4.3: the energy-based pointing game.
    """
    positive = np.maximum(values, 0).astype(np.float64)
    total = positive.sum()
    inside = np.array([positive[mask].sum() for mask in masks])
    return inside / total if total > 0 else np.full(len(masks), np.nan)


__all__ = ["energy_inside"]
