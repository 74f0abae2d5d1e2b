"""Nodes of templates that a person removed, and whom a simulated person would remove.

References
----------
Q. Zhang, R. Cao, S. Zhang, M. Edmonds, Y. N. Wu, S.-C. Zhu, Interactively transferring CNN patterns for part
localization, 2017.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.localization.templates import Template


def without(template: Template, removed: NDArray[np.bool_]) -> Template:
    """Return a template without nodes that are removed, bool of shape (N,) over all nodes."""
    kept = ~removed[template.nodes]
    return replace(template, nodes=template.nodes[kept], displacement=template.displacement[kept])


def misses(position: NDArray[np.float32], fired: NDArray[np.bool_], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each node misses a part on marked views once its usual displacement is known.

    Parameters
    ----------
    position : float32 ndarray of shape (n, K, 2)
        y and x of K nodes on n views, in input pixels.
    fired : bool ndarray of shape (n, K)
        Whether a node found something there.
    centre : float64 ndarray of shape (n, 2)
        The part on each view.

    Returns
    -------
    float64 ndarray of shape (K,)
        Mean distance of the displacement from its median over the views that a node fires on, in pixels; infinite for a node
        that fires on fewer than two.
    """
    found = np.full(position.shape[1], np.inf)
    for node in np.flatnonzero(fired.sum(axis=0) >= 2):
        apart = centre[fired[:, node]] - position[fired[:, node], node].astype(np.float64)
        found[node] = np.hypot(*(apart - np.median(apart, axis=0)).T).mean()
    return found


def worst_half(missed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which nodes miss by more than the median: those that a simulated person removes, bool of shape (K,)."""
    return np.asarray(missed > np.median(missed), np.bool_)


__all__ = ["misses", "without", "worst_half"]
