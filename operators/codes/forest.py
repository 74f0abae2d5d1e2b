"""Random forests that say how much each code matters to a factor: bagged regression trees, the same on every machine.

References
----------
Breiman 2001, Random Forests, Machine Learning 45:5-32; importance is the decrease of squared error, of a class's indicators the
decrease of Gini impurity.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: As in the DCI scores.
TREES, DEPTH = 10, 10
#: Codes that a split may choose among, unless a third of all are more.
_AMONG = 64
#: Draws of a tree: bootstrap and codes.
_DRAWS = 8


@njit(cache=True, nogil=True)
def _split(
    codes: NDArray[np.float64],
    target: NDArray[np.float64],
    rows: NDArray[np.int64],
    among: NDArray[np.int64],
) -> tuple[float, int, float]:
    """Return the largest decrease of squared error by one cut, the code and the cut; 0 where there is none."""
    n, wide = len(rows), target.shape[1]
    total = np.zeros(wide)
    for row in rows:
        total += target[row]
    base = (total * total).sum() / n
    best, code, cut = 0.0, -1, 0.0
    for candidate in among:
        values = np.empty(n)
        for at in range(n):
            values[at] = codes[rows[at], candidate]
        order = np.argsort(values)
        left = np.zeros(wide)
        for at in range(n - 1):
            left += target[rows[order[at]]]
            here, after = values[order[at]], values[order[at + 1]]
            if here == after:
                continue
            right = total - left
            gain = (left * left).sum() / (at + 1) + (right * right).sum() / (n - at - 1) - base
            if gain > best + 1e-12 * (1.0 + base):
                best, code, cut = gain, candidate, here + 0.5 * (after - here)
    return best, code, cut


@njit(cache=True, nogil=True)
def _grow(
    codes: NDArray[np.float64],
    target: NDArray[np.float64],
    rows: NDArray[np.int64],
    orders: NDArray[np.int64],
    importance: NDArray[np.float64],
    node_code: NDArray[np.int64],
    node_cut: NDArray[np.float64],
    node_value: NDArray[np.float64],
) -> None:
    """Grow one tree into arrays of nodes; the children of node i are 2 i + 1 and 2 i + 2."""
    place, held = np.zeros(len(rows), np.int64), np.zeros(len(node_code), np.int64)
    held[0] = len(rows)
    for node in range(len(node_code)):
        node_code[node] = -1
        if held[node] == 0:
            continue
        own = rows[place == node]
        for row in own:
            node_value[node] += target[row] / len(own)
        if len(own) < 2 or 2 * node + 2 >= len(node_code):
            continue
        gain, code, cut = _split(codes, target, own, orders[node % len(orders)])
        if code < 0:
            continue
        node_code[node], node_cut[node] = code, cut
        importance[code] += gain
        for at in range(len(rows)):
            if place[at] == node:
                place[at] = 2 * node + 1 if codes[rows[at], code] <= cut else 2 * node + 2
                held[place[at]] += 1


@njit(cache=True, nogil=True)
def _predict(
    codes: NDArray[np.float64],
    node_code: NDArray[np.int64],
    node_cut: NDArray[np.float64],
    node_value: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    for row in range(len(codes)):
        node = 0
        while node_code[node] >= 0:
            node = 2 * node + 1 if codes[row, node_code[node]] <= node_cut[node] else 2 * node + 2
        found[row] += node_value[node]


def forest(
    codes: NDArray[np.floating], target: NDArray[np.floating], held_out: NDArray[np.floating], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit `TREES` trees of depth `DEPTH`.

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        What is fitted on.
    target : ndarray of shape (n, o)
        A factor, or an indicator of each of its classes.
    held_out : ndarray of shape (m, K)
        Codes of other images.
    seed : int
        Of bootstrap samples, and of the codes that splits may choose among: all up to 64, else a third or 64.

    Returns
    -------
    importance : float64 ndarray of shape (K,)
        Shares of the decrease of squared error, mean over trees; zeros where no tree splits.
    predicted : float64 ndarray of shape (m, o)
        Mean over trees.
    """
    x, y = np.ascontiguousarray(codes, np.float64), np.ascontiguousarray(target, np.float64)
    other = np.ascontiguousarray(held_out, np.float64)
    width, nodes = x.shape[1], 2 ** (DEPTH + 1) - 1
    among = min(width, max(_AMONG, width // 3))
    importance, predicted = np.zeros(width), np.zeros((len(other), y.shape[1]))
    for tree in range(TREES):
        random = np.random.Generator(np.random.PCG64([seed % 2**63, tree]))
        rows = random.integers(0, len(x), len(x))
        draws = 1 if among == width else 2**_DRAWS
        orders = np.stack([np.sort(random.permutation(width)[:among]) for _ in range(draws)])
        own, code, cut = np.zeros(width), np.full(nodes, -1), np.zeros(nodes)
        value = np.zeros((nodes, y.shape[1]))
        _grow(x, y, rows, orders, own, code, cut, value)
        importance += own / own.sum() if own.sum() else 0.0
        _predict(other, code, cut, value, predicted)
    return importance / max(importance.sum(), 1e-300), predicted / TREES


__all__ = ["DEPTH", "TREES", "forest"]
