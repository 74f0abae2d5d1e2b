"""Random noise as long as an attack, the control of every attack that changes all pixels."""

import numpy as np
from numpy.typing import NDArray

_HALVINGS = 60


def noise_like(image: NDArray[np.float64], length: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Move every pixel by the same amount up or down at random, so that the change has a Euclidean length.

    Parameters
    ----------
    image : float64 ndarray of shape (height, width, channels)
        Pixels from 0 to 1.
    length : float
        Of the change. An attack that moves every pixel by eps is as long as noise that does, so that both norms are equal.
    random : numpy.random.Generator
        Of the directions.

    Returns
    -------
    float64 ndarray of the shape of `image`
        Cut to 0..1; shorter than asked where nothing so long fits into that range.
    """
    signs = random.choice([-1.0, 1.0], image.shape)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):  # what is cut off makes up for what is not, so the amount is searched
        middle = (low + high) / 2
        long = np.linalg.norm(np.clip(image + middle * signs, 0, 1) - image) >= length
        low, high = (low, middle) if long else (middle, high)
    return np.clip(image + high * signs, 0, 1) if length > 0 else image.copy()


__all__ = ["noise_like"]
