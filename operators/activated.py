"""Activated pixels of units, drawn once and kept packed, for operators that meet them with many masks."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from operators.anchoring import Axis
from operators.tally import _popcount


class _Axis(NamedTuple):
    weight: NDArray[np.float64]
    first: NDArray[np.int64]


class Activated(NamedTuple):
    """Activated pixels of p active (image, unit) pairs in n images.

    Attributes
    ----------
    first : int64 ndarray of shape (n + 1,)
        Pairs ``first[i]`` to ``first[i + 1] - 1`` belong to image i.
    unit : int64 ndarray of shape (p,)
        Unit of each pair, ascending inside an image.
    area : int64 ndarray of shape (p,)
        Activated pixels.
    span : int64 ndarray of shape (p, W, 2)
        In each word column the first row with an activated pixel, and one past the last; 0, 0 where there is none.
    words : uint64 ndarray of shape (p, W, rows)
        Activated pixels, packed as `operators.masks.pack` does.
    """

    first: NDArray[np.int64]
    unit: NDArray[np.int64]
    area: NDArray[np.int64]
    span: NDArray[np.int64]
    words: NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _draw_map(
    raw: NDArray[np.uint16], half: NDArray[np.float64], threshold: float, rows: _Axis, columns: _Axis,
    words: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Set the bits of the pixels above the threshold, pixel by pixel in the cells that touch a value above it."""
    height, width = raw.shape
    for i in range(height):
        below = min(i + 1, height - 1)
        for j in range(width):
            beside = min(j + 1, width - 1)
            nw, ne, sw, se = half[raw[i, j]], half[raw[i, beside]], half[raw[below, j]], half[raw[below, beside]]
            if not max(nw, ne, sw, se) > threshold:
                continue
            for row in range(rows.first[i], rows.first[i + 1]):
                left = nw + rows.weight[row] * (sw - nw)
                step = ne + rows.weight[row] * (se - ne) - left
                for column in range(columns.first[j], columns.first[j + 1]):
                    above = np.uint64(left + columns.weight[column] * step > threshold)
                    words[column >> 6, row] |= above << np.uint64(column & 63)


@njit(cache=True, nogil=True)
def _draw_pairs(
    patterns: NDArray[np.uint16], half: NDArray[np.float64], thresholds: NDArray[np.float32], rows: _Axis, columns: _Axis,
    drawn: Activated,
) -> None:  # fmt: skip
    for image in range(len(drawn.first) - 1):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            unit = drawn.unit[pair]
            _draw_map(patterns[image, unit], half, thresholds[unit], rows, columns, drawn.words[pair])
            for word in range(drawn.words.shape[1]):
                top, end = drawn.words.shape[2], 0
                for row in range(drawn.words.shape[2]):
                    bits = drawn.words[pair, word, row]
                    drawn.area[pair] += _popcount(bits)
                    if bits:
                        top, end = min(top, row), row + 1
                drawn.span[pair, word, 0], drawn.span[pair, word, 1] = min(top, end), end


def activated_pixels(
    activations: NDArray[np.float16],
    maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    half: NDArray[np.float64],
) -> Activated:
    """Draw the activated pixels of all pairs whose maximum is above the unit's threshold.

    Parameters
    ----------
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps.
    maxima : float32 ndarray of shape (n, U)
        Maximum of each map.
    thresholds : float32 ndarray of shape (U,)
        T of each unit; activated means strictly above.
    rows, columns : Axis
        Where mask pixels fall between map positions.
    half : float64 ndarray of shape (65536,)
        From `operators.tally.half_values`.

    Returns
    -------
    Activated
        The same pixels that `operators.tally.add_to_tally` counts.
    """
    above = maxima > thresholds
    image, unit = np.nonzero(above)
    shape = -(-len(columns.lower) // 64), len(rows.lower)
    drawn = Activated(
        np.searchsorted(image, np.arange(len(above) + 1)).astype(np.int64),
        unit.astype(np.int64),
        np.zeros(len(unit), np.int64),
        np.zeros((len(unit), shape[0], 2), np.int64),
        np.zeros((len(unit), *shape), np.uint64),
    )
    patterns = np.ascontiguousarray(activations).view(np.uint16)
    _draw_pairs(patterns, half, thresholds, _Axis(rows.weight, rows.first), _Axis(columns.weight, columns.first), drawn)
    return drawn
