"""Pooled activations along their principal axes."""

import numpy as np
from numpy.typing import NDArray

#: Axes that are kept at most.
AXES = 50
#: Steps per standard deviation of the first axis that coordinates are rounded to.
_STEPS = 4096
_ROWS = 4096


def along_axes(values: NDArray[np.float32], most: int = AXES) -> NDArray[np.float32]:
    """Return the coordinates of rows along the axes of largest variance.

    Parameters
    ----------
    values : float32 ndarray of shape (n, U)
        A row per view; at least one row.
    most : int
        Axes at most.

    Returns
    -------
    float32 ndarray of shape (n, d)
        About their mean; d is at most `most` and the rank, at least 1. An axis points to where its largest component is
        positive.

    Notes
    -----
    Coordinates are rounded to 1/4096 of the first axis' standard deviation, so that clusters do not hang on the last bits
    of a linear-algebra library.
    """
    mean = values.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((values.shape[1], values.shape[1]))
    for start in range(0, len(values), _ROWS):
        off = values[start : start + _ROWS] - mean
        covariance += off.T @ off
    variances, axes = np.linalg.eigh(covariance / len(values))
    variances, axes = variances[::-1], axes.T[::-1]
    kept = max(min(int((variances > 1e-9 * max(variances[0], 1e-30)).sum()), most), 1)
    axes = axes[:kept]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    parts = [(values[start : start + _ROWS] - mean) @ axes.T for start in range(0, len(values), _ROWS)]
    spread = float(np.sqrt(max(variances[0], 0.0)))
    step = 2.0 ** np.floor(np.log2(spread / _STEPS)) if spread > 0 else 1.0
    return (np.rint(np.concatenate(parts) / step) * step).astype(np.float32)


__all__ = ["AXES", "along_axes"]
