"""Local feature vectors: all channels of a layer at one map position, normalised and projected to few dimensions.

The projection is random signs, which keep distances (Achlioptas, Database-friendly random projections, 2003): 32 dimensions
keep squared distances to a quarter. Channels are added one after the other, so that the result is the same whatever blocks
of channels it is computed from.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Dimensions of a projected vector.
DIMENSIONS = 32


def signs(channels: int, seed: int) -> NDArray[np.float32]:
    """Return a projection of `channels` channels, float32 of shape (channels, 32).

    Its entries are 1 or -1 over the root of 32; few enough channels are kept as they are.

    Parameters
    ----------
    channels : int
        Channels of the layer.
    seed : int
        From the identity of the layer.
    """
    if channels <= DIMENSIONS:
        return np.eye(channels, DIMENSIONS, dtype=np.float32)
    # raw bits alone are the same in all versions of numpy
    bits = np.random.PCG64(seed).random_raw(channels)[:, None] >> np.arange(DIMENSIONS, dtype=np.uint64)
    odd = (bits & np.uint64(1)).astype(np.float32)
    return np.asarray((2 * odd - 1) / np.float32(np.sqrt(DIMENSIONS)), np.float32)


@njit(cache=True, nogil=True)
def _add(
    maps: NDArray[np.float32], matrix: NDArray[np.float32], sums: NDArray[np.float32], squares: NDArray[np.float32]
) -> None:
    for unit in range(len(maps)):
        row = matrix[unit]
        for position in range(maps.shape[1]):
            value = maps[unit, position]
            if value != 0:
                squares[position] += value * value
                for d in range(len(row)):
                    sums[position, d] += value * row[d]


def add_channels(
    sums: NDArray[np.float32],
    squares: NDArray[np.float32],
    activations: NDArray[np.float16],
    matrix: NDArray[np.float32],
) -> None:
    """Add some channels to the projected vectors of n views, in place; channels must come in order.

    Parameters
    ----------
    sums : float32 ndarray of shape (n, positions, 32)
        Projected vectors so far.
    squares : float32 ndarray of shape (n, positions)
        Squared lengths so far.
    activations : float16 ndarray of shape (n, U, height, width)
        Maps of the channels.
    matrix : float32 ndarray of shape (U, 32)
        Rows of the projection, from `signs`, of these channels.
    """
    for view, maps in enumerate(activations):
        _add(maps.reshape(len(maps), squares.shape[1]).astype(np.float32), matrix, sums[view], squares[view])


def normalised(sums: NDArray[np.float32], squares: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return projected vectors of channel vectors of length 1; 0 where all channels are 0.

    Squared lengths beyond float32 do not occur: 2,048 channels at float16's largest number square to 9e12.
    """
    found = np.zeros(sums.shape, np.float16)
    for view, length in enumerate(np.sqrt(squares)):
        found[view] = sums[view] / np.where(length > 0, length, 1)[:, None]
    return found
