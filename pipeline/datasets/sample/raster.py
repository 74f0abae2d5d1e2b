"""Which pixels lie inside an outline, exactly and in whole numbers."""

from itertools import accumulate

import numpy as np
from numba import njit

#: Parts of a pixel that points are given in; whole pixels are the centres.
SUB = 256


@njit(cache=True, nogil=True)
def _bounds(points: np.ndarray) -> tuple[int, int, int, int]:
    low_x = high_x = points[0, 0]
    low_y = high_y = points[0, 1]
    for x, y in points:
        low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
    return low_x, high_x, low_y, high_y


@njit(cache=True, nogil=True)
def _flip_edges(x: np.ndarray, y: np.ndarray, ends: np.ndarray, top: int, left: int, flips: np.ndarray) -> None:
    """Flip the first pixel on or right of the border wherever an edge crosses the centre line of a row."""
    rows, columns = flips.shape[0], flips.shape[1] - 1
    start = 0
    for end in ends:
        before = end - 1
        for after in range(start, end):
            a, b = (before, after) if y[before] <= y[after] else (after, before)
            dy, dx = y[b] - y[a], x[b] - x[a]
            first = max(-(-y[a] // SUB), top)
            last = min(-(-y[b] // SUB) - 1, top + rows - 1)
            for row in range(first, last + 1):
                across = x[a] * dy + (row * SUB - y[a]) * dx
                column = -(-across // (dy * SUB)) - left
                flips[row - top, min(max(column, 0), columns)] ^= 1
            before = after
        start = end


@njit(cache=True, nogil=True)
def _fill_rows(flips: np.ndarray) -> None:
    for row in range(flips.shape[0]):
        inside = 0
        for column in range(flips.shape[1]):
            inside ^= flips[row, column]
            flips[row, column] = inside


def covered(outline: list[np.ndarray], size: int) -> tuple[int, int, np.ndarray]:
    """Return the pixels of a square canvas whose centre lies inside an outline, by the even-odd rule.

    Parameters
    ----------
    outline : list of int64 arrays of shape (N, 2)
        Closed contours of points (x, y) in 1/256 pixels. A centre on a left or upper border is inside, on a right or
        lower one outside, so that outlines that share a border share no pixel.
    size : int
        Height and width of the canvas.

    Returns
    -------
    top, left : int
        Where the mask lies on the canvas.
    mask : ndarray of shape (h, w), bool
        Clipped to the canvas; empty if nothing is inside.
    """
    points = outline[0] if len(outline) == 1 else np.concatenate(outline)
    low_x, high_x, low_y, high_y = _bounds(points)
    left, top = max(0, -(-low_x // SUB)), max(0, -(-low_y // SUB))
    right, bottom = min(size - 1, high_x // SUB), min(size - 1, high_y // SUB)
    if right < left or bottom < top:
        return top, left, np.zeros((0, 0), dtype=bool)
    flips = np.zeros((bottom - top + 1, right - left + 2), dtype=np.uint8)
    ends = np.array(list(accumulate(len(contour) for contour in outline)))
    _flip_edges(points[:, 0], points[:, 1], ends, top, left, flips)
    _fill_rows(flips)
    return top, left, flips[:, :-1].view(bool)
