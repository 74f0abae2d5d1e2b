"""What windows that slide over an image say, brought back to its pixels."""

import numpy as np
from numpy.typing import NDArray


def covered(extent: int, window: int, stride: int) -> NDArray[np.bool_]:
    """Return which pixels of one axis each window covers, as captum slides them.

    Parameters
    ----------
    extent, window, stride : int
        Pixels of the axis, of a window, and from one to the next; the window is not larger than the axis.

    Returns
    -------
    bool ndarray of shape (windows, extent)
        Windows begin at 0 and every stride, until one reaches the end; what of it goes beyond is cut off.
    """
    count = -(-(extent - window) // stride) + 1
    first = np.arange(count)[:, None] * stride
    return (np.arange(extent) >= first) & (np.arange(extent) < first + window)


def averaged(values: NDArray[np.float32], rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return, for each pixel, the mean value of the windows that cover it.

    Parameters
    ----------
    values : float32 ndarray of shape (R, C)
        One value per window, at R places down and C across.
    rows, columns : bool ndarrays of shape (R, height) and (C, width)
        What `covered` gives for both axes, the stride no larger than the window.

    Returns
    -------
    float32 ndarray of shape (height, width)
    """
    sums = rows.T.astype(np.float64) @ values.astype(np.float64) @ columns.astype(np.float64)
    return (sums / np.outer(rows.sum(axis=0), columns.sum(axis=0))).astype(np.float32)


__all__ = ["averaged", "covered"]
