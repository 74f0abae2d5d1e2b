"""Templates of where a filter may fire: one for each position of its map, and one for images without its object.

A positive template is highest at its position, falls off with the L1 distance from it and is negative far away; the negative
template is negative everywhere. Divided by their height, positive templates are also the masks that a map is multiplied by.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018: section 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: How fast a template falls off: it is 0 at 1 / BETA of the map's side.
BETA = 4.0
#: Position of a map that has none, all its values being 0.
NOWHERE = -1


@dataclass(frozen=True)
class Templates:
    """Templates of maps of h x w positions, n = sqrt(h w).

    Attributes
    ----------
    masks : float64 ndarray of shape (h w, h, w)
        max(1 - beta |[i, j] - mu|_1 / n, -1) of each position mu, row-major: from -1 to 1.
    tau : float
        Height of the templates, 0.5 / n^2: positive ones are tau times the mask, the negative one is -tau.
    """

    masks: NDArray[np.float64]
    tau: float

    @classmethod
    def of(cls, height: int, width: int, beta: float = BETA) -> "Templates":
        """Make the templates of maps of a height and a width."""
        rows, columns = np.divmod(np.arange(height * width), width)
        distance = abs(rows[:, None] - rows) + abs(columns[:, None] - columns)
        masks = np.maximum(1.0 - beta * distance / np.sqrt(height * width), -1.0)
        return cls(masks.reshape(-1, height, width), 0.5 / (height * width))


def strongest(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the first maximum of maps of shape (..., h, w), not negative, row-major; `NOWHERE` where all values are 0."""
    flat = maps.reshape(*maps.shape[:-2], -1)
    return np.where(flat.max(axis=-1) > 0, flat.argmax(axis=-1), NOWHERE).astype(np.int64)


__all__ = ["BETA", "NOWHERE", "Templates", "strongest"]
