"""Pictures as decorrelated colours and decorrelated frequencies: scales, matrix, starts and phases."""

import numpy as np
from numpy.typing import NDArray

#: Deviation of the coefficients that an optimisation starts from.
DEVIATION = 0.01
#: Factor of the inverse transform.
GAIN = 0.25
#: Root of the covariance of colours in photographs, as measured for lucid (Olah et al. 2017).
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def colour_matrix() -> NDArray[np.float64]:
    """Return what decorrelated colours become red, green and blue by, of shape (3, 3): ``rgb = matrix @ colours``."""
    matrix = np.array(_COLOURS)
    return np.asarray(matrix / np.linalg.norm(matrix, axis=0).max())


def frequency_scale(height: int, width: int) -> NDArray[np.float64]:
    """Return the scale of each coefficient of `numpy.fft.rfft2`: the reciprocal of its frequency, as in photographs.

    Parameters
    ----------
    height, width : int
        Of the picture, pixels.

    Returns
    -------
    float64 ndarray of shape (height, width // 2 + 1)
        sqrt(height * width) / max(f, 1 / max(height, width)), f in cycles per pixel.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    return np.asarray(np.sqrt(height * width) / np.maximum(frequency, 1 / max(height, width)))


def start(seed: int, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Return random coefficients to start from.

    Parameters
    ----------
    seed : int
        Of the draw.
    channels, height, width : int
        Of the picture.

    Returns
    -------
    float32 ndarray of shape (2, channels, height, width // 2 + 1)
        Real and imaginary parts, normal with deviation `DEVIATION`.
    """
    shape = (2, channels, height, width // 2 + 1)
    return np.random.default_rng(seed).normal(0, DEVIATION, shape).astype(np.float32)


def scrambled(spectrum: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return coefficients of the same sizes with random phases: as much of every frequency and colour, and no structure.

    All colours of a frequency turn by the same angle, so that their correlation stays.

    Parameters
    ----------
    spectrum : float32 ndarray of shape (2, channels, height, columns)
        As of `start`.
    seed : int
        Of the angles.

    Returns
    -------
    float32 ndarray of the same shape
    """
    values = spectrum[0].astype(np.float64) + 1j * spectrum[1]
    turned = values * np.exp(2j * np.pi * np.random.default_rng(seed).random(values.shape[1:]))
    return np.stack([turned.real, turned.imag]).astype(np.float32)


__all__ = ["DEVIATION", "GAIN", "colour_matrix", "frequency_scale", "scrambled", "start"]
