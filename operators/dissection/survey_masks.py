"""The survey's own activation mask: valid map cells scaled up by their receptive fields.

The survey (Zhang & Zhu 2018, section 6.1) thresholds the raw map and then scales the valid cells up, where network
dissection upsamples first. The mask of a map is the union of the receptive-field boxes of its values above T. Boxes of one
map row share their rows, so a map row is a union of column ranges drawn once and repeated downwards.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.drawing import popcount
from filterscope.operators.dissection.masks import pack


class FieldSpan(NamedTuple):
    """Mask pixels ``start[i]`` to ``stop[i] - 1`` lie in the receptive field of position i, along one axis.

    Attributes
    ----------
    start, stop : int64 ndarray of shape (positions,)
        Non-decreasing; equal where the field holds no mask pixel.
    pixels : int
        Mask pixels S along the axis.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    pixels: int


def field_span(positions: int, pixels: int, *, extent: int, centre: float, stride: float, size: float) -> FieldSpan:
    """Find the mask pixels whose centres lie in each position's receptive field, clipped to the input.

    Parameters
    ----------
    positions, pixels : int
        Map positions and mask pixels along the axis.
    extent : int
        Input pixels along the axis.
    centre, stride, size : float
        Position i sees `size` input pixels around ``centre + i * stride``, 0 at the centre of the first pixel.
    """
    place = (np.arange(pixels) + 0.5) * extent / pixels - 0.5
    low = centre + np.arange(positions) * stride - size / 2
    start, stop = np.searchsorted(place, low), np.searchsorted(place, low + size)
    return FieldSpan(start.astype(np.int64), stop.astype(np.int64), pixels)


@njit(cache=True, nogil=True)
def _draw_fields(
    raw: NDArray[np.uint16], half: NDArray[np.float64], threshold: float, start: NDArray[np.int64],
    stop: NDArray[np.int64], columns: NDArray[np.uint64], line: NDArray[np.uint64], words: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Set the bits of the boxes of all values above the threshold; `columns` holds each position's column range."""
    for i in range(raw.shape[0]):
        line[:] = 0
        for j in range(raw.shape[1]):
            if half[raw[i, j]] > threshold:
                for word in range(len(line)):
                    line[word] |= columns[word, j]
        for word in range(len(line)):
            if line[word]:
                for row in range(start[i], stop[i]):
                    words[word, row] |= line[word]


@njit(cache=True, nogil=True)
def _draw_all(
    patterns: NDArray[np.uint16], half: NDArray[np.float64], thresholds: NDArray[np.float32], start: NDArray[np.int64],
    stop: NDArray[np.int64], columns: NDArray[np.uint64], drawn: Activated,
) -> None:  # fmt: skip
    line = np.zeros(len(columns), np.uint64)
    for image in range(len(drawn.first) - 1):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            unit, words = drawn.unit[pair], drawn.words[pair]
            _draw_fields(patterns[image, unit], half, thresholds[image, unit], start, stop, columns, line, words)
            for word in range(len(words)):
                top, end = words.shape[1], 0
                for row in range(words.shape[1]):
                    if words[word, row]:
                        drawn.area[pair] += popcount(words[word, row])
                        top, end = min(top, row), row + 1
                drawn.span[pair, word, 0], drawn.span[pair, word, 1] = min(top, end), end


def survey_pixels(
    activations: NDArray[np.float16],
    maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    rows: FieldSpan,
    columns: FieldSpan,
    half: NDArray[np.float64],
) -> Activated:
    """Draw the mask of every pair whose maximum is above the unit's threshold.

    Parameters
    ----------
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps.
    maxima : float32 ndarray of shape (n, U)
        Maximum of each map.
    thresholds : float32 ndarray of shape (U,) or (n, U)
        T of each unit, on all images or on each; valid means strictly above.
    rows, columns : FieldSpan
        Receptive fields of map rows and columns in mask pixels.
    half : float64 ndarray of shape (65536,)
        From `operators.dissection.tally.half_values`.
    """
    drawn = Activated.empty(maxima, thresholds, (rows.pixels, columns.pixels))
    place = np.arange(columns.pixels)
    inside = (place >= columns.start[:, None]) & (place < columns.stop[:, None])
    patterns = np.ascontiguousarray(activations).view(np.uint16)
    each = np.ascontiguousarray(np.broadcast_to(thresholds, maxima.shape))
    _draw_all(patterns, half, each, rows.start, rows.stop, pack(inside[None])[0], drawn)
    return drawn
