"""How far an attacked image is from the image, and what is left of it in 8 bits."""

import numpy as np
from numpy.typing import NDArray


def distances(images: NDArray[np.float64], attacked: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return Euclidean length, root mean square, largest change of a value, and pixels with any change.

    Parameters
    ----------
    images, attacked : float64 ndarray of shape (n, height, width, channels)
        Pixels from 0 to 1.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        ``l2``, ``distortion`` (l2 over the root of the number of values, as Szegedy et al. 2014 state it) and ``linf``,
        float64, 1 being black to white; ``pixels``, int64.
    """
    change = np.abs(attacked - images)
    squares = (change**2).reshape(len(change), -1)
    return {
        "l2": np.sqrt(squares.sum(axis=1)),
        "distortion": np.sqrt(squares.mean(axis=1)),
        "linf": change.max(axis=(1, 2, 3)),
        "pixels": (change > 0).any(axis=3).sum(axis=(1, 2)),
    }


def in_8_bits(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return images as a file of 8 bits per value keeps them."""
    return np.rint(images * 255) / 255


__all__ = ["distances", "in_8_bits"]
