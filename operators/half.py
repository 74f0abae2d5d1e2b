"""Float16 activations made fit for storing: one zero, no NaN, no infinity."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NEGATIVE_ZERO = 0x8000
_INFINITY = 0x7C00


@njit(cache=True, nogil=True)
def _settle(bits: NDArray[np.uint16], finite: NDArray[np.bool_]) -> None:
    for image in range(len(bits)):
        largest = np.uint16(0)
        for position in range(bits.shape[1]):
            pattern = bits[image, position]
            if pattern == _NEGATIVE_ZERO:
                bits[image, position] = 0
            largest = max(largest, np.uint16(pattern & 0x7FFF))
        finite[image] = largest < _INFINITY


def settle(activations: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Replace -0.0 by 0.0 in place, and tell which images are free of NaN and infinity.

    Parameters
    ----------
    activations : float16 ndarray of shape (images, units, height, width)
        C-contiguous; changed in place.

    Returns
    -------
    bool ndarray of shape (images,)
        True where every value is finite.
    """
    finite = np.empty(len(activations), np.bool_)
    _settle(activations.view(np.uint16).reshape(len(activations), -1), finite)
    return finite
