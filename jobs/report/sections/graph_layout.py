"""Where the nodes of a layered graph stand: a row for each layer, in an order that keeps ties short."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Pixels of the picture's width, between rows, and between the lines into which long rows are folded.
WIDTH, APART, LINE = 1000, 130, 40
#: Nodes side by side in a line.
BESIDE = 24

_SWEEPS = 8

Ties = Sequence[tuple[int, int]]


def layered(rows: Sequence[int], ties: Ties) -> NDArray[np.int64]:
    """Place nodes in rows.

    Parameters
    ----------
    rows : sequence of int
        Row of each of n nodes, 0 at the top.
    ties : sequence of (int, int)
        Pairs of nodes that are tied, by their places in `rows`.

    Returns
    -------
    int64 ndarray of shape (n, 2)
        x and y in pixels; no two nodes stand in one place.

    Notes
    -----
    Rows are sorted by the mean place of each node's neighbours in the rows above, then below, eight times over (the
    barycentre heuristic of Sugiyama, Tagawa & Toda 1981); the order with fewest crossings is kept.
    """
    row = np.asarray(rows, np.int64)
    beside: list[list[int]] = [[] for _ in rows]
    for a, b in ties:
        beside[a].append(b)
        beside[b].append(a)
    place = _spread(row, np.arange(len(row), dtype=np.float64))
    best, fewest = place, crossings(row, place, ties)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        order = np.unique(row) if down else np.unique(row)[::-1]
        for here in order.tolist():
            wanted = place.copy()
            for node in np.flatnonzero(row == here).tolist():
                near = [place[n] for n in beside[node] if (row[n] < here if down else row[n] > here)]
                wanted[node] = np.mean(near) if near else place[node]
            place = np.where(row == here, _spread(row, wanted), place)
        crossed = crossings(row, place, ties)
        if crossed < fewest:
            best, fewest = place, crossed
    return _pixels(row, best)


def _spread(row: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return evenly spread places in (0, 1), in every row in the order of `wanted`; ties stay in order."""
    place = np.empty(len(row))
    for here in np.unique(row).tolist():
        nodes = np.flatnonzero(row == here)
        place[nodes[np.argsort(wanted[nodes], kind="stable")]] = (np.arange(len(nodes)) + 0.5) / len(nodes)
    return place


def crossings(row: NDArray[np.int64], place: NDArray[np.float64], ties: Ties) -> int:
    """Count the pairs of ties between the same two rows that cross."""
    if not len(ties):
        return 0
    pairs = np.array(ties)
    upper = np.where(row[pairs[:, 0]] <= row[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    lower = pairs.sum(axis=1) - upper
    same = (row[upper][:, None] == row[upper]) & (row[lower][:, None] == row[lower])
    above, below = place[upper][:, None] - place[upper], place[lower][:, None] - place[lower]
    return int((same & (above * below < 0)).sum()) // 2


def _pixels(row: NDArray[np.int64], place: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where nodes stand; neighbours in a long row stand one below the other, slantwise."""
    height, top = np.empty(len(row), np.int64), 0
    for here in np.unique(row).tolist():
        nodes = np.flatnonzero(row == here)
        lines = -(-len(nodes) // BESIDE)
        height[nodes[np.argsort(place[nodes], kind="stable")]] = top + np.arange(len(nodes)) % lines * LINE
        top += (lines - 1) * LINE + APART
    return np.stack([np.rint(place * WIDTH).astype(np.int64), height], axis=1)


__all__ = ["crossings", "layered"]
