"""Features of the cells of a grid over a box of a map: means over exact shares of its positions."""

import numpy as np
from numpy.typing import NDArray


def box_cells(maps: NDArray[np.floating], boxes: NDArray[np.float64], k: int) -> NDArray[np.float32]:
    """Return the mean of the maps over each cell of a grid over each box.

    Parameters
    ----------
    maps : ndarray of shape (n, C, h, w)
        Maps of the images or crops.
    boxes : float64 ndarray of shape (n, 4)
        Left, top, right and bottom, as shares of the map's width and height, cut off at its edges.
    k : int
        Rows and columns of the grid.

    Returns
    -------
    float32 ndarray of shape (n, k * k, C)
        Position (row, column) of a map is the square from (row, column) to (row + 1, column + 1), counted by the share of it
        that a cell covers: what RoIAlign tends to with many samples.
    """
    count, channels, height, width = maps.shape
    cells = np.empty((count, k * k, channels), np.float32)
    for number, (left, top, right, bottom) in enumerate(np.clip(boxes, 0, 1)):
        rows = _shares(top * height, bottom * height, height, k)
        columns = _shares(left * width, right * width, width, k)
        found = np.matmul(np.matmul(rows, maps[number].astype(np.float64)), columns.T)
        cells[number] = found.reshape(channels, k * k).T
    return cells


def _shares(start: float, stop: float, size: int, k: int) -> NDArray[np.float64]:
    """Return what each of `size` positions counts in each of k cells between start and stop, float64 of shape (k, size)."""
    edges = start + (stop - start) * np.arange(k + 1) / k
    low, high = edges[:-1, None], edges[1:, None]
    at = np.arange(size)[None]
    covered = np.clip(np.minimum(high, at + 1) - np.maximum(low, at), 0, None)
    total = covered.sum(axis=1, keepdims=True)
    return np.asarray(covered / np.where(total > 0, total, 1))


__all__ = ["box_cells"]
