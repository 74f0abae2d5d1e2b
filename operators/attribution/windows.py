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
    return covering(np.arange(-(-(extent - window) // stride) + 1) * stride, window, extent)


def covering(starts: NDArray[np.int64], window: int, extent: int) -> NDArray[np.bool_]:
    """Return which pixels of one axis windows that begin at `starts` (int64, shape (windows,)) cover; as of `covered`."""
    pixel, first = np.arange(extent), starts[:, None]
    return (pixel >= first) & (pixel < first + window)


def averaged(values: NDArray[np.floating], rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return, for each pixel, the mean value of the windows that cover it.

    Parameters
    ----------
    values : float ndarray of shape (R, C)
        One value per window, at R places down and C across.
    rows, columns : bool ndarrays of shape (R, height) and (C, width)
        What `covered` or `covering` gives for both axes; each pixel is covered.

    Returns
    -------
    float64 ndarray of shape (height, width)
    """
    sums = rows.T.astype(np.float64) @ values.astype(np.float64) @ columns.astype(np.float64)
    return np.asarray(sums / np.outer(rows.sum(axis=0), columns.sum(axis=0)))


__all__ = ["averaged", "covered", "covering"]
