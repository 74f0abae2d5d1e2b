"""Pixels of a run-length mask: all of them, or looked up where they are wanted without drawing the mask."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: No mask has as many pixels.
_MOST = 1 << 40


@njit(cache=True, nogil=True)
def _ends(text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], bool]:
    """Return where each run ends, counted down the columns, and whether the text is sound; runs are 0, 1, 0 and so on."""
    length, ends = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    place = count = 0
    total, sound = np.int64(0), True
    while place < len(text):
        value, shift, more = np.int64(0), 0, True
        while more and place < len(text):
            bits = np.int64(text[place]) - 48
            place += 1
            if bits < 0 or bits >= 64 or shift >= 40:
                sound = False
            value |= (bits & 31) << min(shift, 59)
            shift += 5
            more = (bits & 32) != 0
            if not more and (bits & 16) != 0:
                value |= np.int64(-1) << min(shift, 59)
        if count > 2:
            value += length[count - 2]
        if more or value < 0 or value >= _MOST or total >= _MOST:
            sound = False
        length[count] = value
        total += max(value, np.int64(0))
        ends[count] = total
        count += 1
    return ends[:count], sound


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
    _look_up(_ends(np.frombuffer(counts, np.uint8))[0], height, rows, columns, found)
    return found


def count_runs(counts: bytes) -> int:
    """Return how many pixels a mask in COCO's compressed run lengths has, without drawing it."""
    ends = _ends(np.frombuffer(counts, np.uint8))[0]
    inside = len(ends) // 2 * 2
    return int((ends[1:inside:2] - ends[0:inside:2]).sum())


def draw_runs(counts: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Draw a mask in COCO's compressed run lengths.

    Parameters
    ----------
    counts : bytes
        Run lengths as `pycocotools.mask` compresses them.
    height, width : int
        Size of the mask.

    Returns
    -------
    bool ndarray of shape (height, width)
        The mask, its columns contiguous.

    Raises
    ------
    ValueError
        If they are no run lengths, or are not of so many pixels.

    Notes
    -----
    pycocotools writes beyond its array where runs are longer than the mask, and leaves what the memory holds where they are
    shorter.
    """
    ends, sound = _ends(np.frombuffer(counts, np.uint8))
    if not sound:
        raise ValueError("it holds no run lengths")
    pixels = int(ends[-1]) if len(ends) else 0
    if pixels != height * width:
        raise ValueError(f"its run lengths add up to {pixels} pixels and its image has {height} x {width}")
    return np.repeat(np.arange(len(ends)) % 2 == 1, np.diff(ends, prepend=0)).reshape(width, height).T
