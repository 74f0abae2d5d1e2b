"""The K images on which each unit is strongest, kept while image blocks stream by."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Strongest:
    """Top images of U units, best first, ties by lower image number; merges associatively.

    Attributes
    ----------
    image : int64 ndarray of shape (U, k)
        Image numbers, k <= K.
    maximum : float32 ndarray of shape (U, k)
        Maximum of the unit on the image.
    """

    image: NDArray[np.int64]
    maximum: NDArray[np.float32]

    @classmethod
    def empty(cls, units: int) -> Self:
        """Return the top images among none."""
        return cls(np.empty((units, 0), np.int64), np.empty((units, 0), np.float32))

    def merge(self, images: NDArray[np.int64], maxima: NDArray[np.float32], keep: int) -> "Strongest":
        """Merge with more images (int64, shape (n,)) and their maxima (float32, shape (n, U)); keep at most `keep`."""
        image = np.hstack([self.image, np.broadcast_to(images, (len(self.image), len(images)))])
        maximum = np.hstack([self.maximum, maxima.T])
        order = np.lexsort((image, -maximum), axis=1)[:, :keep]
        return Strongest(np.take_along_axis(image, order, 1), np.take_along_axis(maximum, order, 1))
