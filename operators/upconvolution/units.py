"""What one unit adds to an inversion, and whether that lies where the unit fires."""

import numpy as np
from numpy.typing import NDArray

#: Share of the pixels that a unit's mask holds: the same of all units, so that masks of others are a fair control.
AREA = 0.2


def masks(maps: NDArray[np.floating], area: float = AREA) -> NDArray[np.bool_]:
    """Return where maps (n, height, width) are strongest: a share of the pixels, the first of equal ones.

    Returns
    -------
    bool ndarray of shape (n, height, width)
        Empty for a map of one value, which fires nowhere more than elsewhere.
    """
    flat = maps.reshape(len(maps), -1)
    count = max(round(area * flat.shape[1]), 1)
    found = np.zeros(flat.shape, bool)
    np.put_along_axis(found, np.argsort(-flat, axis=1, kind="stable")[:, :count], True, axis=1)
    found[flat.max(axis=1) == flat.min(axis=1)] = False
    return found.reshape(maps.shape)


def inside(changes: NDArray[np.floating], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of changes (n, height, width, 3), by size, that lies in masks (n, height, width).

    NaN where there is no change, or no mask.
    """
    size = np.abs(np.asarray(changes, np.float64)).sum(axis=3)
    total = size.sum(axis=(1, 2))
    known = (total > 0) & where.any(axis=(1, 2))
    return np.where(known, (size * where).sum(axis=(1, 2)), np.nan) / np.where(known, total, 1.0)


__all__ = ["AREA", "inside", "masks"]
