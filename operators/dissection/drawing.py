"""Activated pixels of one map, drawn as packed bits: the inner part of every count of network dissection.

What cannot be above T is never computed. Bilinear interpolation stays between its corners, so a cell between raw values that
are not above T contributes nothing. Only the other cells that touch a raw value above T are interpolated, pixel by pixel; a
cell with all four corners above is whole.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.masks import MaskBlock


class Grid(NamedTuple):
    """Where mask pixels fall on the map; a piece is the part of a map column that lies in one word."""

    row_weight: NDArray[np.float64]
    row_first: NDArray[np.uint64]
    column_weight: NDArray[np.float64]
    bit: NDArray[np.uint64]
    cell: NDArray[np.int64]
    word: NDArray[np.int64]
    start: NDArray[np.uint64]
    stop: NDArray[np.uint64]
    whole: NDArray[np.uint64]


class Canvas(NamedTuple):
    """Scratch for one map: raw values above T, cells they touch, activated pixels and the rows these span in each word."""

    above: NDArray[np.uint8]
    touched: NDArray[np.uint8]
    words: NDArray[np.uint64]
    top_row: NDArray[np.uint64]
    end_row: NDArray[np.uint64]


#: A call to another function costs two atomic operations for every array that it is given, some 5 ns each; inlined, none.
inlined = njit(cache=True, nogil=True, forceinline=True)


@njit(cache=True, nogil=True, inline="always")
def popcount(word: np.uint64) -> np.int64:
    """Return how many bits of a word are set."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inlined
def mark_above(patterns: NDArray[np.int16], image: int, unit: int, order: np.int16, above: NDArray[np.uint8]) -> None:
    """Mark the raw values above the threshold; the last row and column are repeated, as interpolation does."""
    height, width = patterns.shape[2:]
    for i in range(height):
        for j in range(width):
            pattern = patterns[image, unit, i, j]
            # sign and magnitude become two's complement, so that patterns sort like the numbers
            above[i, j] = np.int16(pattern ^ ((pattern >> 15) & 0x7FFF)) > order
        above[i, width] = above[i, width - 1]
    for j in range(width + 1):
        above[height, j] = above[height - 1, j]


@inlined
def _touch(above: NDArray[np.uint8], i: int, touched: NDArray[np.uint8]) -> bool:
    """Count, for each cell between raw rows i and i + 1, its corners above the threshold; tell if there are any."""
    some = np.uint8(0)
    for j in range(len(touched)):
        corners = above[i, j] + above[i, j + 1] + above[i + 1, j] + above[i + 1, j + 1]
        touched[j] = corners
        some |= np.uint8(corners)
    return bool(some != 0)


@inlined
def _draw_cell(
    corners: tuple[float, float, float, float], threshold: float, grid: Grid, piece: int,
    top: np.uint64, bottom: np.uint64, words: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Set the bits of the pixels above the threshold in one cell: the definition, pixel by pixel."""
    nw, ne, sw, se = corners
    word, start, stop = grid.word[piece], grid.start[piece], grid.stop[piece]
    for row in range(top, bottom):
        left = nw + grid.row_weight[row] * (sw - nw)
        right = ne + grid.row_weight[row] * (se - ne)
        if left <= threshold and right <= threshold:
            continue
        bits = np.uint64(0)
        for column in range(start, stop):
            above = left + grid.column_weight[column] * (right - left) > threshold
            bits |= grid.bit[column] if above else np.uint64(0)
        words[word, row] |= bits


@inlined
def draw_map(
    patterns: NDArray[np.int16], image: int, unit: int, half: NDArray[np.float64], threshold: float, grid: Grid,
    canvas: Canvas,
) -> None:  # fmt: skip
    """Set the bits of all activated pixels of one map, and note which rows they span."""
    height, width = patterns.shape[2:]
    above, touched, words, top_row, end_row = canvas
    for word in range(len(words)):
        top_row[word], end_row[word] = words.shape[1], 0
    for i in range(height):
        top, bottom = grid.row_first[i], grid.row_first[i + 1]
        if top == bottom or not _touch(above, i, touched):
            continue
        below = min(i + 1, height - 1)
        for piece in range(len(grid.cell)):
            j = grid.cell[piece]
            if touched[j] == 0:
                continue
            word = grid.word[piece]
            top_row[word], end_row[word] = min(top_row[word], top), bottom
            if touched[j] == 4:
                for row in range(top, bottom):
                    words[word, row] |= grid.whole[piece]
                continue
            beside = min(j + 1, width - 1)
            corners = (
                half[patterns[image, unit, i, j]], half[patterns[image, unit, i, beside]],
                half[patterns[image, unit, below, j]], half[patterns[image, unit, below, beside]],
            )  # fmt: skip
            _draw_cell(corners, threshold, grid, piece, top, bottom, words)


@inlined
def area_of(canvas: Canvas) -> np.int64:
    """Return how many pixels are drawn."""
    area = np.int64(0)
    for word in range(len(canvas.words)):
        for row in range(canvas.top_row[word], canvas.end_row[word]):
            area += popcount(canvas.words[word, row])
    return area


@inlined
def pixels_inside(canvas: Canvas, masks: MaskBlock, pair: int) -> np.int64:
    """Count the activated pixels inside a mask."""
    common, mask = np.int64(0), masks.bitmap[pair]
    first, last = np.uint64(masks.band[pair, 0]), np.uint64(masks.band[pair, 1])
    for word in range(len(canvas.words)):
        for row in range(max(canvas.top_row[word], first), min(canvas.end_row[word], last)):
            common += popcount(canvas.words[word, row] & masks.words[mask, word, row])
    return common


def orders_of(thresholds: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return where each threshold, a stored float16 value, stands in the order of bit patterns."""
    signed = (thresholds + np.float32(0)).astype(np.float16).view(np.int16)
    return signed ^ ((signed >> np.int16(15)) & np.int16(0x7FFF))


@lru_cache(maxsize=8)
def grid_of(rows: Axis, columns: Axis) -> Grid:
    """Return where the mask pixels of two axes fall on the map."""
    column = np.arange(len(columns.lower))
    bit = np.uint64(1) << (column & 63).astype(np.uint64)
    start = np.flatnonzero((column % 64 == 0) | (np.diff(columns.lower, prepend=-1) != 0))
    stop = np.append(start[1:], len(column))
    whole = np.bitwise_or.reduceat(bit, start)
    pieces = columns.lower[start], start >> 6, start.astype(np.uint64), stop.astype(np.uint64), whole
    return Grid(rows.weight, rows.first.astype(np.uint64), columns.weight, bit, *pieces)


def canvas_of(height: int, width: int, planes: NDArray[np.uint64]) -> Canvas:
    """Return an empty canvas for maps of height x width; masks are packed as `planes` (..., W, rows)."""
    # whole vectors of cells; those past the map stay untouched
    padded = -(-(width + 1) // 32) * 32
    spans = np.empty((2, planes.shape[2]), np.uint64)
    return Canvas(
        np.zeros((height + 1, padded + 1), np.uint8),
        np.zeros(padded, np.uint8),
        np.zeros(planes.shape[2:], np.uint64),
        *spans,
    )
