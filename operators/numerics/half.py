"""Float16 activations made fit for storing: one zero, no NaN, no infinity; and the maximum of each map."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NEGATIVE_ZERO = np.int16(-0x8000)
_MAGNITUDE = np.int16(0x7FFF)
_INFINITY = 0x7C00
_SMALLEST_NORMAL = 0x0400


@njit(cache=True, nogil=True)
def _settle(patterns: NDArray[np.int16], maxima: NDArray[np.int16], finite: NDArray[np.bool_]) -> None:
    images, units, positions = patterns.shape
    for image in range(images):
        largest = np.int16(0)
        for unit in range(units):
            highest = _NEGATIVE_ZERO
            for position in range(positions):
                pattern = patterns[image, unit, position]
                pattern = np.int16(0) if pattern == _NEGATIVE_ZERO else pattern
                patterns[image, unit, position] = pattern
                largest = max(largest, np.int16(pattern & _MAGNITUDE))
                # sign and magnitude become two's complement, so that patterns sort like the numbers
                highest = max(highest, np.int16(pattern ^ ((pattern >> 15) & _MAGNITUDE)))
            maxima[image, unit] = highest ^ ((highest >> 15) & _MAGNITUDE)
        finite[image] = largest < _INFINITY


@njit(cache=True, nogil=True)
def _held(patterns: NDArray[np.int16], found: NDArray[np.bool_]) -> None:
    images, units, positions = patterns.shape
    for unit in range(units):
        for image in range(images):
            for position in range(positions):
                if (patterns[image, unit, position] & _MAGNITUDE) >= _SMALLEST_NORMAL:
                    found[unit] = True
                    break
            if found[unit]:
                break


def held(activations: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Tell which units have an activation of magnitude 2^-14 or more, below which float16 loses digits.

    Parameters
    ----------
    activations : float16 ndarray of shape (images, units, height, width)
        C-contiguous; those of a unit are looked at until the first such one.

    Returns
    -------
    bool ndarray of shape (units,)
    """
    images, units, height, width = activations.shape
    found = np.zeros(units, np.bool_)
    _held(activations.view(np.int16).reshape(images, units, height * width), found)
    return found


def settle(activations: NDArray[np.float16]) -> tuple[NDArray[np.bool_], NDArray[np.float16]]:
    """Replace -0.0 by 0.0 in place; tell which images are free of NaN and infinity, and the maximum of each map.

    Parameters
    ----------
    activations : float16 ndarray of shape (images, units, height, width)
        C-contiguous, with at least one position; changed in place.

    Returns
    -------
    finite : bool ndarray of shape (images,)
        True where every value is finite.
    maxima : float16 ndarray of shape (images, units)
        Maximum of each map; undefined in images that are not finite.
    """
    images, units, height, width = activations.shape
    finite, maxima = np.empty(images, np.bool_), np.empty((images, units), np.float16)
    _settle(activations.view(np.int16).reshape(images, units, height * width), maxima.view(np.int16), finite)
    return finite, maxima
