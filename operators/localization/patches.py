"""The nearest neighbour of annotated patches among the patches of a map: the baseline of raw features."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lattice:
    """Where the cells of a map lie: centre of the first cell and pixels between neighbours, for y and x."""

    centre: tuple[float, float]
    stride: tuple[float, float]

    def window(
        self, centre: NDArray[np.float64], size: NDArray[np.float64], cells: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """Return the first row and column, rows and columns of the cells about a box; a size of NaN is one cell."""
        count = np.where(np.isnan(size), 1, np.round(size / self.stride)).clip(1, cells).astype(np.int64)
        first = np.round((centre - self.centre) / self.stride - (count - 1) / 2)
        row, column = first.clip(0, np.asarray(cells) - count).astype(np.int64).tolist()
        return row, column, int(count[0]), int(count[1])

    def middle(self, row: NDArray[np.int64], column: NDArray[np.int64], rows: int, columns: int) -> NDArray[np.float64]:
        """Return y and x of the middle of windows of cells, shape (..., 2)."""
        y = self.centre[0] + (row + (rows - 1) / 2) * self.stride[0]
        x = self.centre[1] + (column + (columns - 1) / 2) * self.stride[1]
        return np.stack([y, x], axis=-1)


@njit(cache=True, nogil=True)
def _match(
    patch: NDArray[np.float32], maps: NDArray[np.float32], place: NDArray[np.int64], similarity: NDArray[np.float64]
) -> None:
    rows, columns, channels = patch.shape
    own = 0.0
    for i in range(rows):
        for j in range(columns):
            for channel in range(channels):
                own += patch[i, j, channel] * patch[i, j, channel]
    for view in range(len(maps)):
        best, at_row, at_column = -2.0, 0, 0
        for row in range(maps.shape[1] - rows + 1):
            for column in range(maps.shape[2] - columns + 1):
                product = other = 0.0
                for i in range(rows):
                    for j in range(columns):
                        for channel in range(channels):
                            value = maps[view, row + i, column + j, channel]
                            product += patch[i, j, channel] * value
                            other += value * value
                energy = own * other
                cosine = product / np.sqrt(energy) if energy > 0.0 else 0.0
                if cosine > best:
                    best, at_row, at_column = cosine, row, column
        place[view, 0], place[view, 1], similarity[view] = at_row, at_column, best


def nearest_patch(
    patch: NDArray[np.float32], maps: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the window of each map that is most similar to a patch, by the cosine of all its values.

    Parameters
    ----------
    patch : float32 ndarray of shape (rows, columns, C)
        Features of the annotated cells.
    maps : float32 ndarray of shape (n, height, width, C)
        Features of the views to search.

    Returns
    -------
    (int64 ndarray of shape (n, 2), float64 ndarray of shape (n,))
        First row and column of the window, the first of several equal ones, and its cosine; 0 where all is zero.
    """
    place, similarity = np.empty((len(maps), 2), np.int64), np.empty(len(maps))
    _match(np.ascontiguousarray(patch), np.ascontiguousarray(maps), place, similarity)
    return place, similarity


__all__ = ["Lattice", "nearest_patch"]
