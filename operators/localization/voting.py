"""Votes for where a part is: every node that fires votes about the place where it expects the part's centre.

References
----------
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Growing interpretable part graphs on ConvNets via multi-shot learning, AAAI 2017; the
constants are those of the released code, as shares of an input of 224 pixels.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: How far a vote reaches, and how it falls off with the distance d: exp(-d / fall).
REACH, FALL = 0.05, 70 / math.sqrt(2) / 224


@njit(cache=True, nogil=True)
def _tally(
    votes: NDArray[np.float64], counted: NDArray[np.bool_], weight: NDArray[np.float64], stamp: NDArray[np.float64],
    board: NDArray[np.float64], place: NDArray[np.float64], height: NDArray[np.float64],
) -> None:  # fmt: skip
    reach = len(stamp) // 2
    rows, columns = board.shape
    for view in range(len(votes)):
        board[:] = 0.0
        for node in range(votes.shape[1]):
            if not counted[view, node]:
                continue
            y = int(np.floor(votes[view, node, 0] + 0.5))
            x = int(np.floor(votes[view, node, 1] + 0.5))
            for i in range(max(0, y - reach), min(rows, y + reach + 1)):
                for j in range(max(0, x - reach), min(columns, x + reach + 1)):
                    board[i, j] += weight[view, node] * stamp[i - y + reach, j - x + reach]
        for i in range(rows):
            for j in range(columns):
                if board[i, j] > height[view]:
                    height[view], place[view, 0], place[view, 1] = board[i, j], i, j


def stamp_of(side: int) -> NDArray[np.float64]:
    """Return what one vote adds around its pixel: exp(-d / fall) less its value at the edge of its reach, 0 beyond."""
    reach, fall = max(1, round(REACH * side)), FALL * side
    offset = np.arange(-reach, reach + 1)
    away = np.hypot(offset[:, None], offset[None])
    return np.asarray(np.clip(np.exp(-away / fall) - math.exp(-reach / fall), 0.0, None), np.float64)


def count_votes(
    votes: NDArray[np.float64],
    counted: NDArray[np.bool_],
    weight: NDArray[np.floating],
    extent: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the votes of K nodes on each of n views and return where most come together.

    Parameters
    ----------
    votes : float64 ndarray of shape (n, K, 2)
        y and x where each node expects the part, in input pixels; a vote counts for its nearest pixel.
    counted : bool ndarray of shape (n, K)
        Whether the node votes on the view.
    weight : float ndarray of shape (n, K)
        Weight of the node's vote on the view, or what broadcasts to it.
    extent : (int, int)
        Height and width of the input.

    Returns
    -------
    (float64 ndarray of shape (n, 2), float64 ndarray of shape (n,))
        The first pixel of largest sum, NaN where nothing is voted for, and the sum there.
    """
    place, height = np.full((len(votes), 2), np.nan), np.zeros(len(votes))
    board = np.empty(extent)
    counts = np.ascontiguousarray(np.broadcast_to(weight, counted.shape), np.float64)
    _tally(np.ascontiguousarray(votes, np.float64), counted, counts, stamp_of(max(extent)), board, place, height)
    return place, height


__all__ = ["FALL", "REACH", "count_votes", "stamp_of"]
