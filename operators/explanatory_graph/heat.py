"""Where the nodes that an image triggers lie, as one map over the input."""

import numpy as np
from numpy.typing import NDArray


def heat_map(
    position: NDArray[np.float64],
    score: NDArray[np.float64],
    deformation: NDArray[np.float64],
    extent: tuple[int, int],
    share: float = 0.5,
) -> NDArray[np.float64]:
    """Add the Gaussians of the nodes of highest score on an image: float64 of shape `extent`, 1 at most.

    Parameters
    ----------
    position : float64 ndarray of shape (N, 2)
        y and x of the nodes on the image, in input pixels.
    score : float64 ndarray of shape (N,)
        Their scores there, which weight them.
    deformation : float64 ndarray of shape (N,)
        Their deformations, in pixels.
    extent : (int, int)
        Height and width of the input.
    share : float
        Share of the nodes that count, best first.

    References
    ----------
    Zhang and Zhu 2018, figure 5: heat maps of the top 50 % of a layer's patterns.
    """
    chosen = np.argsort(-score, kind="stable")[: int(np.ceil(share * len(score)))]
    chosen = chosen[score[chosen] > 0]
    wide = 2 * deformation[chosen, None] ** 2
    rows, columns = (
        np.exp(-((np.arange(side) - position[chosen, axis, None]) ** 2) / wide) for axis, side in enumerate(extent)
    )
    found = np.einsum("n,ni,nj->ij", score[chosen], rows, columns)
    return np.asarray(found / found.max() if len(chosen) else found, np.float64)


__all__ = ["heat_map"]
