"""Maps that look at no network, which those of a network must beat: the centre, edges and noise; and the mean of a window."""

import numpy as np
from numpy.typing import NDArray

#: Shares of red, green and blue in a grey value, of ITU-R 601.
_GREY = np.array([0.299, 0.587, 0.114])


def centre_map(height: int, width: int) -> NDArray[np.float32]:
    """Return a Gaussian about the centre, shape (height, width), whose standard deviation is a quarter of each side."""
    rows, columns = (np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / (size / 4)) ** 2) for size in (height, width))
    return np.outer(rows, columns).astype(np.float32)


def edge_map(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the length of the Sobel gradient of the grey values of an image, (height, width, 3): (height, width).

    References
    ----------
    Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 5.1, where an edge detector is the control.
    """
    from scipy.ndimage import sobel

    grey = image.astype(np.float64) @ _GREY
    down, across = (np.asarray(sobel(grey, axis=axis, mode="nearest"), np.float64) for axis in (0, 1))
    return np.hypot(down, across).astype(np.float32)


def random_map(height: int, width: int, seed: int) -> NDArray[np.float32]:
    """Return a map of independent uniform values of shape (height, width)."""
    return np.random.default_rng(seed).random((height, width), np.float32)


def window_mean(maps: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the mean of a square window about each place.

    Parameters
    ----------
    maps : float32 ndarray of shape (n, h, w)
        The maps.
    side : int
        Side of the window, odd. What of it lies outside the map does not count.

    Returns
    -------
    float32 ndarray of shape (n, h, w)
    """
    found = maps.astype(np.float64)
    for axis in (1, 2):
        size = found.shape[axis]
        low = np.maximum(np.arange(size) - side // 2, 0)
        high = np.minimum(np.arange(size) + side // 2 + 1, size)
        inside = (np.arange(size) >= low[:, None]) & (np.arange(size) < high[:, None])
        weights = inside / (high - low)[:, None]
        found = weights @ found if axis == 1 else found @ weights.T
    return found.astype(np.float32)


__all__ = ["centre_map", "edge_map", "random_map", "window_mean"]
