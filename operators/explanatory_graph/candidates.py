"""Which nodes of a layer may tie nodes of the layer below."""

import numpy as np
from numpy.typing import NDArray

#: Most candidates, share of the steadiest that is left out, and share of the side that counts as border.
MOST, STEADY, BORDER = 600, 0.5, 0.1


def rank_candidates(
    recorded: NDArray[np.float64],
    variance: NDArray[np.float64],
    mean: NDArray[np.float64],
    extent: tuple[int, int],
    most: int = MOST,
) -> NDArray[np.int64]:
    """Return the nodes that lower nodes may be tied to, those of largest recorded mass first.

    Left out are the half whose position varies least, since these are pinned by their windows and say nothing about an image,
    and those at the border.

    Parameters
    ----------
    recorded : float64 ndarray of shape (N,)
        Mass over the learning views [sum prob_record].
    variance : float64 ndarray of shape (N,)
        Variance of the position over them.
    mean : float64 ndarray of shape (N, 2)
        Mean y and x.
    extent : (int, int)
        Height and width of the input.
    most : int
        Nodes kept, at most.
    """
    kept = np.zeros(len(recorded), bool)
    kept[np.argsort(variance, kind="stable")[int(STEADY * len(recorded)) :]] = True
    side = np.asarray(extent, np.float64)
    inside = ((mean >= BORDER * side) & (mean <= (1 - BORDER) * side)).all(axis=1)
    order = np.argsort(-recorded, kind="stable")
    return order[(kept & inside & (recorded > 0))[order]][:most]


__all__ = ["rank_candidates"]
