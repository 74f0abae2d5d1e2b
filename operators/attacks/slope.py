"""What attacks that follow a gradient ask of a network."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Slope(Protocol):
    """A loss of n images, and where it goes.

    Parameters
    ----------
    images : float64 ndarray of shape (n, height, width, channels)
        Pixels from 0 to 1.
    which : int64 ndarray of shape (n,)
        Which of the images that are attacked these are.

    Returns
    -------
    losses : float64 ndarray of shape (n,)
    gradients : float64 ndarray of the shape of `images`
        With respect to the pixels.
    reached : bool ndarray of shape (n,)
        Whether the network already gives each image the class that the attack is after.
    """

    def __call__(
        self, images: NDArray[np.float64], which: NDArray[np.int64], /
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return losses, gradients and what is reached."""


#: Forward passes that a loss and its gradient take as long as.
PASSES = 3

__all__ = ["PASSES", "Slope"]
