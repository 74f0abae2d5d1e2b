"""Controls without evidence: what a node's position would be if it did not look at the image."""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.location.location_instability import uniform_positions


def in_window(
    mu: NDArray[np.float64], half: NDArray[np.float64], nodes: NDArray[np.int64], views: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Draw a position inside each node's window for every view: float64 of shape (K, n, 2).

    Parameters
    ----------
    mu : float64 ndarray of shape (K, 2)
        Mean y and x of the nodes.
    half : float64 ndarray of shape (K,)
        Half the sides of their windows.
    nodes : int64 ndarray of shape (K,)
        Numbers of the nodes, which with view and seed fix the draw.
    views : int64 ndarray of shape (K, n)
        Views of each node.
    seed : int
        Of the layer.
    """
    side = 1 << 16
    share = (uniform_positions(nodes[:, None], views, seed, (side, side)) + 0.5) / side
    return np.asarray(mu[:, None] + (2 * share - 1) * half[:, None, None], np.float64)


def shuffled(position: NDArray[np.float64], counted: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Return for each node and image its position on another image, every counted image serving once.

    Parameters
    ----------
    position : float64 ndarray of shape (K, n, 2)
        Inferred positions on the images chosen for each node.
    counted : bool ndarray of shape (K, n)
        Images that are measured; the others keep theirs.
    seed : int
        Of the layer.
    """
    found = position.copy()
    bits = np.random.PCG64(seed)
    order = np.argsort(bits.random_raw(position.shape[1]), kind="stable")
    for node in range(len(position)):
        turn = order[counted[node, order]]
        found[node, turn] = position[node, np.roll(turn, 1)]
    return found


def strongest_views(
    score: NDArray[np.float32], allowed: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return for each of K nodes its views of highest score above 0, best first, ties to the earlier view.

    Parameters
    ----------
    score : float32 ndarray of shape (I, K)
        Scores on every view.
    allowed : bool ndarray of shape (I,)
        Views to choose from.
    count : int
        Views a node, at most.

    Returns
    -------
    (int64 ndarray of shape (K, m), bool ndarray of shape (K, m))
        Rows of `score`, and whether the place is filled; m is `count` or the number of allowed views.
    """
    rows = np.flatnonzero(allowed)
    order = np.argsort(-score[rows], axis=0, kind="stable")[:count].T
    chosen = rows[order]
    return chosen, np.take_along_axis(score[rows].T, order, 1) > 0


__all__ = ["in_window", "shuffled", "strongest_views"]
