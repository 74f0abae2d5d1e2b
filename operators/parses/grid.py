"""The And-Or graph of a grid of cells: every rectangle, and every way to cut one in two."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Grid(NamedTuple):
    """The graph of k x k cells, of R rectangles and A cuts.

    Attributes
    ----------
    rectangles : int64 ndarray of shape (R, 4)
        First row, first column, and the row and column after the last, by area: the last rectangle is the whole grid.
    cuts : int64 ndarray of shape (A, 3)
        A rectangle and the two that a straight cut makes of it, by that rectangle; first those that divide its rows.
    starts : int64 ndarray of shape (R + 1,)
        Where the cuts of each rectangle begin.
    cells : bool ndarray of shape (R, k * k)
        Which cells a rectangle holds.
    """

    rectangles: NDArray[np.int64]
    cuts: NDArray[np.int64]
    starts: NDArray[np.int64]
    cells: NDArray[np.bool_]


@lru_cache(maxsize=8)
def grid_of(k: int) -> Grid:
    """Return the graph of a grid of k x k cells.

    References
    ----------
    T. Wu, W. Sun, X. Li, X. Song, B. Li, Towards Interpretable R-CNN by Unfolding Latent Structures, 2017, section 3.2.
    """
    every = [
        (top, left, bottom, right)
        for top in range(k)
        for left in range(k)
        for bottom in range(top + 1, k + 1)
        for right in range(left + 1, k + 1)
    ]
    every.sort(key=lambda r: ((r[2] - r[0]) * (r[3] - r[1]), r))
    place = {rectangle: number for number, rectangle in enumerate(every)}
    cuts, starts = [], [0]
    for number, (top, left, bottom, right) in enumerate(every):
        rows, columns = range(top + 1, bottom), range(left + 1, right)
        cuts += [(number, place[top, left, row, right], place[row, left, bottom, right]) for row in rows]
        cuts += [(number, place[top, left, bottom, column], place[top, column, bottom, right]) for column in columns]
        starts.append(len(cuts))
    cells = np.zeros((len(every), k, k), bool)
    for number, (top, left, bottom, right) in enumerate(every):
        cells[number, top:bottom, left:right] = True
    return Grid(
        np.array(every, np.int64),
        np.array(cuts, np.int64).reshape(-1, 3),
        np.array(starts, np.int64),
        cells.reshape(len(every), -1),
    )


def mirrored(k: int) -> NDArray[np.int64]:
    """Return the rectangle that each becomes in a mirror image, left to right: int64 of shape (R,)."""
    rectangles = grid_of(k).rectangles
    place = {tuple(rectangle): number for number, rectangle in enumerate(rectangles.tolist())}
    return np.array([place[top, k - right, bottom, k - left] for top, left, bottom, right in rectangles.tolist()])


def named(k: int, leaves: NDArray[np.bool_]) -> str:
    """Return the leaves of a parse as text, in reading order, each by its rows and columns from 1.

    Parameters
    ----------
    k : int
        Rows and columns of the grid.
    leaves : bool ndarray of shape (R,)
        Which rectangles are leaves.

    Returns
    -------
    str
        Such as ``1:1-3 2-3:1-3``, for the first row above the two others.
    """
    own = sorted(grid_of(k).rectangles[leaves].tolist())
    return " ".join(f"{_span(top, bottom)}:{_span(left, right)}" for top, left, bottom, right in own)


def _span(first: int, after: int) -> str:
    return f"{first + 1}" if after == first + 1 else f"{first + 1}-{after}"


__all__ = ["Grid", "grid_of", "mirrored", "named"]
