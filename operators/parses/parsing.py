"""Folding and unfolding an And-Or graph over a grid: the mean over all parses, the best one, and the best that differs from it.

A parse cuts the grid into rectangles, its leaves. A cut adds what its two parts score, so that a parse scores the sum of its
leaves; with leaves that weigh their share of the grid, this is the mean of Wu et al.'s And nodes by area.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.parses.grid import grid_of

#: How an And node combines its two parts.
MEAN, SUM = "mean", "sum"


class Parses(NamedTuple):
    """The best parse of each of n score tables.

    Attributes
    ----------
    score : float64 ndarray of shape (n,)
        Sum over its leaves.
    leaves : bool ndarray of shape (n, R)
        Which rectangles are its leaves.
    margin : float64 ndarray of shape (n,)
        What it scores above the best parse with other leaves; NaN if all but one are barred.
    depth : int64 ndarray of shape (n,)
        Cuts on the longest way from the root to a leaf.
    """

    score: NDArray[np.float64]
    leaves: NDArray[np.bool_]
    margin: NDArray[np.float64]
    depth: NDArray[np.int64]


def leaf_weights(k: int, mode: str) -> NDArray[np.float64]:
    """Return what the score of each rectangle counts as a leaf: its share of the grid (`mean`), or 1 (`sum`), shape (R,)."""
    if mode not in (MEAN, SUM):
        raise ValueError(f"an And node combines by mean or sum, not by {mode!r}")
    grid = grid_of(k)
    return grid.cells.mean(axis=1) if mode == MEAN else np.ones(len(grid.rectangles))


@njit(cache=True, nogil=True)
def _unfold(
    leaf: NDArray[np.float64],
    cuts: NDArray[np.int64],
    starts: NDArray[np.int64],
    best: NDArray[np.float64],
    chosen: NDArray[np.int64],
) -> None:
    """Fill the best score of each rectangle and the cut that gives it, -1 for a leaf; of equal ones the first."""
    for node in range(len(leaf)):
        value, choice = leaf[node], -1
        for cut in range(starts[node], starts[node + 1]):
            parted = best[cuts[cut, 1]] + best[cuts[cut, 2]]
            if parted > value:
                value, choice = parted, cut
        best[node], chosen[node] = value, choice


@njit(cache=True, nogil=True)
def _read_down(
    cuts: NDArray[np.int64],
    chosen: NDArray[np.int64],
    leaves: NDArray[np.bool_],
    stack: NDArray[np.int64],
) -> int:
    """Mark the leaves of the best parse and return its depth; `stack` has a row of node and depth for each rectangle."""
    stack[0, 0], stack[0, 1], size, deepest = len(chosen) - 1, 0, 1, 0
    while size:
        size -= 1
        node, depth = stack[size, 0], stack[size, 1]
        if chosen[node] < 0:
            leaves[node] = True
            deepest = max(deepest, depth)
        else:
            for side in range(2):
                stack[size, 0], stack[size, 1] = cuts[chosen[node], 1 + side], depth + 1
                size += 1
    return deepest


@njit(cache=True, nogil=True)
def _parse(
    scores: NDArray[np.float64],
    cuts: NDArray[np.int64],
    starts: NDArray[np.int64],
    rivals: bool,
    score: NDArray[np.float64],
    leaves: NDArray[np.bool_],
    margin: NDArray[np.float64],
    depth: NDArray[np.int64],
) -> None:
    nodes = scores.shape[1]
    best, chosen = np.empty(nodes), np.empty(nodes, np.int64)
    barred, other = np.empty(nodes), np.empty(nodes, np.int64)
    stack = np.empty((nodes + 1, 2), np.int64)
    for row in range(len(scores)):
        _unfold(scores[row], cuts, starts, best, chosen)
        score[row] = best[-1]
        depth[row] = _read_down(cuts, chosen, leaves[row], stack)
        rival = -np.inf
        if rivals:
            # a parse with other leaves lacks one of these, as both divide the grid
            for node in range(nodes):
                if leaves[row, node]:
                    kept = scores[row, node]
                    scores[row, node] = -np.inf
                    _unfold(scores[row], cuts, starts, barred, other)
                    scores[row, node] = kept
                    rival = max(rival, barred[-1])
        margin[row] = score[row] - rival if rival > -np.inf else np.nan


def parse(scores: NDArray[np.float64], k: int, *, margins: bool = True) -> Parses:
    """Return the best parse of each table of leaf scores, top down.

    Parameters
    ----------
    scores : float64 ndarray of shape (n, R)
        What each rectangle of `grid_of` scores as a leaf, times its weight.
    k : int
        Rows and columns of the grid.
    margins : bool
        Whether the best parse with other leaves is sought too; NaN otherwise.

    References
    ----------
    Wu et al. 2017, section 3.3. That margins compare sets of leaves, not orders of cuts, is ours: two orders of the same cuts
    would tie.
    """
    grid, (count, nodes) = grid_of(k), scores.shape
    found = Parses(np.empty(count), np.zeros((count, nodes), np.bool_), np.empty(count), np.zeros(count, np.int64))
    own = np.array(scores, np.float64, order="C")  # it is written to
    _parse(own, grid.cuts, grid.starts, margins, found.score, found.leaves, found.margin, found.depth)
    return found


def folding(k: int) -> NDArray[np.float64]:
    """Return how often each rectangle counts as a leaf where every Or node is the mean over its leaf and its cuts, shape (R,).

    The score of the folded graph is the product of this with the leaf scores.
    """
    grid = grid_of(k)
    reached = np.zeros(len(grid.rectangles))
    reached[-1] = 1.0
    for node in range(len(reached) - 1, -1, -1):
        own = slice(grid.starts[node], grid.starts[node + 1])
        reached[node] /= 1 + own.stop - own.start
        for _, first, second in grid.cuts[own].tolist():
            reached[first] += reached[node]
            reached[second] += reached[node]
    return reached


@njit(cache=True, nogil=True)
def _deleted(
    parts: NDArray[np.float64],
    bias: NDArray[np.float64],
    cells: NDArray[np.bool_],
    cuts: NDArray[np.int64],
    starts: NDArray[np.int64],
    found: NDArray[np.float64],
) -> None:
    nodes, count = cells.shape
    leaf, best, chosen = np.empty(nodes), np.empty(nodes), np.empty(nodes, np.int64)
    for row in range(len(parts)):
        for gone in range(nodes):
            for node in range(nodes):
                total = bias[row, node]
                for cell in range(count):
                    if cells[node, cell] and not cells[gone, cell]:
                        total += parts[row, node, cell]
                leaf[node] = total
            _unfold(leaf, cuts, starts, best, chosen)
            found[row, gone] = best[-1]


def deleted(parts: NDArray[np.float64], bias: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the score of the best parse when the cells of a rectangle are taken away, for every rectangle.

    Parameters
    ----------
    parts : float64 ndarray of shape (n, R, k * k)
        What each cell gives to the weighted score of each rectangle; what lies outside of it is not read.
    bias : float64 ndarray of shape (n, R)
        What a rectangle scores without cells.
    k : int
        Rows and columns of the grid.

    Returns
    -------
    float64 ndarray of shape (n, R)
    """
    grid = grid_of(k)
    found = np.empty(bias.shape)
    args = np.ascontiguousarray(parts, np.float64), np.ascontiguousarray(bias, np.float64)
    _deleted(*args, grid.cells, grid.cuts, grid.starts, found)
    return found


__all__ = ["MEAN", "SUM", "Parses", "deleted", "folding", "leaf_weights", "parse"]
