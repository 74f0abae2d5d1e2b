"""The pointing game: whether the place that a map points at lies in a region."""

import numpy as np
from numpy.typing import NDArray

#: Pixels by which a map may miss a region and still count, in the wider game.
REACH = 15.0


def says_nothing(values: NDArray[np.float32]) -> bool:
    """Tell whether a map, of shape (h, w), points nowhere: nothing in it is positive, or all of it is the same."""
    highest = values.max()
    return not (highest > 0 and values.min() < highest)


def pointed_at(values: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much of the maximum of a map lies in each region.

    Parameters
    ----------
    values : float32 ndarray of shape (h, w)
        The map, finite; what is positive speaks for the class.
    masks : bool ndarray of shape (regions, h, w)
        The regions, none of them empty.

    Returns
    -------
    float64 ndarray of shape (regions, 2)
        Share of the largest values that lie in the region, and that lie fewer than `REACH` pixels from it: 0 or 1 where one
        pixel is the largest. 0 where the map says nothing.

    References
    ----------
    Zhang et al. 2016, Top-Down Neural Attention by Excitation Backprop, section 4.1.

    Notes
    -----
    The published game takes one maximum. A map of segments or windows has its maximum on all of a plateau, whose first pixel
    lies at its edge; so all of them count alike, as if one of them was drawn.
    """
    if says_nothing(values):
        return np.zeros((len(masks), 2))
    rows, columns = np.nonzero(values == values.max())
    inside = masks[:, rows, columns]
    return np.stack([inside.mean(axis=1), _near(rows, columns, masks).mean(axis=1)], axis=1)


def _near(rows: NDArray[np.intp], columns: NDArray[np.intp], masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which places lie fewer than `REACH` pixels from each region."""
    from scipy.ndimage import distance_transform_edt

    return np.stack([distance_transform_edt(~mask)[rows, columns] < REACH for mask in masks])


__all__ = ["REACH", "pointed_at", "says_nothing"]
