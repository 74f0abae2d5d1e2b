"""Maps and gradients pooled to one number a filter, in the units in which trees are grown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """Images as a tree sees them: y = g . x + b, everything divided by the length of g.

    Attributes
    ----------
    x, g : float64 ndarray of shape (n, D)
        How strongly each of D filters responds, 1 on average over the positives; and the gradient of the score, of length 1.
    y, b : float64 ndarray of shape (n,)
        Score, and what g . x leaves of it.
    length : float64 ndarray of shape (n,)
        What g, y and b were divided by; 0 where the score does not depend on the layer, and then all three are 0.
    """

    x: Floats
    g: Floats
    y: Floats
    b: Floats
    length: Floats

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Pooled":
        """Return some of the images."""
        return Pooled(self.x[rows], self.g[rows], self.y[rows], self.b[rows], self.length[rows])


def pool(x: Floats, g: Floats, score: Floats, cells: int, positive: NDArray[np.bool_]) -> Pooled:
    """Pool images.

    Parameters
    ----------
    x, g : float64 ndarray of shape (n, D)
        Sums of each filter's map, and of the gradient of the score with respect to it, over the positions of the map.
    score : float64 ndarray of shape (n,)
        The score.
    cells : int
        Positions of a map.
    positive : bool ndarray of shape (n,)
        Images whose mean response is the unit of each filter [s_d]; the mean of magnitudes, so that layers in front of a
        rectifier have one too.
    """
    scale = np.abs(x[positive]).mean(axis=0) if positive.any() else np.zeros(x.shape[1])
    responses = np.divide(x, scale, out=np.zeros_like(x), where=scale > 0)
    slopes = g * (scale / cells)
    length = np.sqrt((slopes**2).sum(axis=1))
    offset = score - (slopes * responses).sum(axis=1)
    over = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return Pooled(responses, slopes * over[:, None], score * over, offset * over, length)


__all__ = ["Pooled", "pool"]
