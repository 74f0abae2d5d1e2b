"""Pixels of a run-length mask, looked up where they are wanted without drawing the mask."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _ends(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where each run ends, counted down the columns; runs are 0 and 1 in turn, 0 first."""
    length, ends = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    place = count = 0
    total = np.int64(0)
    while place < len(text):
        value, shift, more = np.int64(0), 0, True
        while more and place < len(text):
            bits = np.int64(text[place]) - 48
            place += 1
            value |= (bits & 31) << min(shift, 59)
            shift += 5
            more = (bits & 32) != 0
            if not more and (bits & 16) != 0:
                value |= np.int64(-1) << min(shift, 59)
        if count > 2:
            value += length[count - 2]
        length[count] = value
        total += max(value, np.int64(0))
        ends[count] = total
        count += 1
    return ends[:count]


@njit(cache=True, nogil=True)
def _look_up(
    ends: NDArray[np.int64], height: int, rows: NDArray[np.int64], columns: NDArray[np.int64], found: NDArray[np.bool_]
) -> None:
    for j in range(len(columns)):
        for i in range(len(rows)):
            run = np.searchsorted(ends, columns[j] * height + rows[i], side="right")
            found[i, j] = run < len(ends) and run % 2 == 1


def sample_runs(counts: bytes, height: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return some pixels of a mask in COCO's compressed run lengths.

    Parameters
    ----------
    counts : bytes
        Run lengths as `pycocotools.mask` compresses them.
    height : int
        Rows of the mask.
    rows, columns : int64 ndarray of shape (R,), (C,)
        Pixels wanted; inside of the mask.

    Returns
    -------
    bool ndarray of shape (R, C)
        The mask at all rows and columns.
    """
    found = np.zeros((len(rows), len(columns)), np.bool_)
    _look_up(_ends(np.frombuffer(counts, np.uint8)), height, rows, columns, found)
    return found
