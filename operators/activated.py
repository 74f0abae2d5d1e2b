"""Activated pixels of units, drawn once and kept packed, for operators that meet them with many masks."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from operators.anchoring import Axis

# The tally's own drawing, so that both see the same pixels.
from operators.tally import _area, _Canvas, _canvas, _draw, _Grid, _grid, _mark, _orders


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
def _draw_pairs(
    patterns: NDArray[np.int16], half: NDArray[np.float64], thresholds: NDArray[np.float32], orders: NDArray[np.int16],
    grid: _Grid, canvas: _Canvas, drawn: Activated,
) -> None:  # fmt: skip
    for image in range(len(drawn.first) - 1):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            unit = drawn.unit[pair]
            _mark(patterns, image, unit, orders[unit], canvas.above)
            _draw(patterns, image, unit, half, thresholds[unit], grid, canvas)
            drawn.area[pair] = _area(canvas)
            for word in range(len(canvas.words)):
                first, last = np.int64(canvas.words.shape[1]), np.int64(0)
                for row in range(canvas.top_row[word], canvas.end_row[word]):
                    bits = canvas.words[word, row]
                    drawn.words[pair, word, row] = bits
                    canvas.words[word, row] = 0
                    if bits:
                        first, last = min(first, np.int64(row)), np.int64(row) + 1
                drawn.span[pair, word, 0], drawn.span[pair, word, 1] = min(first, last), last


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
    height, width = activations.shape[2:]
    canvas = _canvas(height, width, np.zeros((1, 1, *shape), np.uint64))
    patterns = np.ascontiguousarray(activations).view(np.int16)
    _draw_pairs(patterns, half, thresholds, _orders(thresholds), _grid(rows, columns), canvas, drawn)
    return drawn
