"""The inner loop of network dissection: how often each unit's activated pixels meet each concept's labelled pixels.

For a unit u and an image, A is the set of mask pixels whose upsampled activation is above T_u; for a concept c, L is the
set of its labelled pixels. The tally adds |A|, |A ∩ L| and their second moments over images, in integers, so that tallies
of image blocks merge by addition and do not depend on order (Bau et al. 2017, section 2.3).

What cannot be above T is never computed. Bilinear interpolation stays between its corners, so an image whose raw maximum
is not above T contributes nothing, and neither does a cell between raw values that are not above T. Only the other
cells that touch a raw value above T are interpolated, pixel by pixel; a cell with all four corners above is whole.

Activated pixels are drawn as packed bits, so that a concept's share is a popcount, and the counts of each pixel over images
are added 64 at a time, as bit planes.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.masks import MaskBlock, unpack

# Columns of Tally.pairs.
INTERSECTION, SQUARED_INTERSECTION, INTERSECTION_UNION, CROSS, ASSOCIATED = range(5)

#: IoU on one image that counts as association: 0.04 = 1 / 25, compared in integers.
_ASSOCIATION_FACTOR = 25


#: Bits of the count of a pixel's activated images.
_PLANES = 32


class _Grid(NamedTuple):
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


class _Canvas(NamedTuple):
    """Scratch for one map: raw values above T, cells they touch, activated pixels and the rows these span in each word."""

    above: NDArray[np.uint8]
    touched: NDArray[np.uint8]
    words: NDArray[np.uint64]
    top_row: NDArray[np.uint64]
    end_row: NDArray[np.uint64]


class _Sums(NamedTuple):
    pairs: NDArray[np.int64]
    categories: NDArray[np.int64]
    planes: NDArray[np.uint64]


#: A call to another function costs two atomic operations for every array that it is given, some 5 ns each; inlined, none.
_inlined = njit(cache=True, nogil=True, forceinline=True)


@njit(cache=True, nogil=True, inline="always")
def _popcount(word: np.uint64) -> np.int64:
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@_inlined
def _mark(patterns: NDArray[np.int16], image: int, unit: int, order: np.int16, above: NDArray[np.uint8]) -> None:
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


@_inlined
def _touch(above: NDArray[np.uint8], i: int, touched: NDArray[np.uint8]) -> bool:
    """Count, for each cell between raw rows i and i + 1, its corners above the threshold; tell if there are any."""
    some = np.uint8(0)
    for j in range(len(touched)):
        corners = above[i, j] + above[i, j + 1] + above[i + 1, j] + above[i + 1, j + 1]
        touched[j] = corners
        some |= np.uint8(corners)
    return bool(some != 0)


@_inlined
def _draw_cell(
    corners: tuple[float, float, float, float], threshold: float, grid: _Grid, piece: int,
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


@_inlined
def _draw(
    patterns: NDArray[np.int16], image: int, unit: int, half: NDArray[np.float64], threshold: float, grid: _Grid,
    canvas: _Canvas,
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


@_inlined
def _area(canvas: _Canvas) -> np.int64:
    area = np.int64(0)
    for word in range(len(canvas.words)):
        for row in range(canvas.top_row[word], canvas.end_row[word]):
            area += _popcount(canvas.words[word, row])
    return area


@_inlined
def _meet(canvas: _Canvas, masks: MaskBlock, pair: int) -> np.int64:
    """Count the activated pixels inside a mask."""
    common, mask = np.int64(0), masks.bitmap[pair]
    first, last = np.uint64(masks.band[pair, 0]), np.uint64(masks.band[pair, 1])
    for word in range(len(canvas.words)):
        for row in range(max(canvas.top_row[word], first), min(canvas.end_row[word], last)):
            common += _popcount(canvas.words[word, row] & masks.words[mask, word, row])
    return common


@_inlined
def _cover(planes: NDArray[np.uint64], unit: int, canvas: _Canvas) -> None:
    """Add 1 to the count of every activated pixel, 64 counts at a time; the carry runs out and leaves `words` empty."""
    words = canvas.words
    for word in range(len(words)):
        for plane in range(planes.shape[1]):
            some = np.uint64(0)
            for row in range(canvas.top_row[word], canvas.end_row[word]):
                carry, bits = words[word, row], planes[unit, plane, word, row]
                planes[unit, plane, word, row] = bits ^ carry
                words[word, row] = bits & carry
                some |= bits & carry
            if some == 0:
                break


class _Image(NamedTuple):
    """Scratch for the views of one source image: units to draw, concepts held and pixels labelled, what a unit meets."""

    hit: NDArray[np.bool_]
    units: NDArray[np.int64]
    held: NDArray[np.int64]
    labelled: NDArray[np.int64]
    seen: NDArray[np.bool_]
    met: NDArray[np.int64]
    active: NDArray[np.int64]


@_inlined
def _open(masks: MaskBlock, category: NDArray[np.int64], start: int, stop: int, image: _Image) -> int:
    """Sum the labels of the views of an image, note which view has which category, and count the concepts."""
    count = 0
    image.seen[:] = False
    for view in range(start, stop):
        for pair in range(masks.first[view], masks.first[view + 1]):
            concept = masks.concept[pair]
            image.seen[view - start, category[concept]] = True
            if image.labelled[concept] == 0:
                image.held[count] = concept
                count += 1
            image.labelled[concept] += masks.area[pair]
    return count


@_inlined
def _hit(
    maxima: NDArray[np.float32], thresholds: NDArray[np.float32], start: int, stop: int, image: _Image
) -> int:  # fmt: skip
    """List the units with a maximum above the threshold in one of the views, and count them; most have none."""
    image.hit[:] = False
    for view in range(start, stop):
        for unit in range(len(thresholds)):
            image.hit[unit] |= maxima[view, unit] > thresholds[unit]
    count = 0
    for unit in range(len(thresholds)):
        image.units[count] = unit
        count += image.hit[unit]
    return count


@_inlined
def _add_view(canvas: _Canvas, masks: MaskBlock, view: int, place: int, inside: np.int64, image: _Image) -> None:
    for group in range(len(image.active)):
        if image.seen[place, group]:
            image.active[group] += inside
    for pair in range(masks.first[view], masks.first[view + 1]):
        image.met[masks.concept[pair]] += inside if masks.bitmap[pair] < 0 else _meet(canvas, masks, pair)


@_inlined
def _add_image(unit: int, concepts: int, category: NDArray[np.int64], sums: _Sums, image: _Image) -> None:
    """Add what a unit meets on all views of an image, and clear it."""
    pairs = sums.pairs
    for group in range(len(image.active)):
        sums.categories[unit, group, 0] += image.active[group]
        sums.categories[unit, group, 1] += image.active[group] * image.active[group]
    for index in range(concepts):
        concept = image.held[index]
        common, area, inside = image.met[concept], image.labelled[concept], image.active[category[concept]]
        image.met[concept] = 0
        # The second moment of the union needs only these: (A + L - I)^2 = (A + L)^2 - 2 I U - I^2.
        pairs[unit, concept, CROSS] += inside * area
        if common > 0:
            union = inside + area - common
            pairs[unit, concept, INTERSECTION] += common
            pairs[unit, concept, SQUARED_INTERSECTION] += common * common
            pairs[unit, concept, INTERSECTION_UNION] += common * union
            pairs[unit, concept, ASSOCIATED] += common * _ASSOCIATION_FACTOR > union
    image.active[:] = 0


@njit(cache=True, nogil=True)
def _tally(
    patterns: NDArray[np.int16], half: NDArray[np.float64], maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32], orders: NDArray[np.int16], grid: _Grid, masks: MaskBlock,
    category: NDArray[np.int64], cuts: NDArray[np.int64], sums: _Sums, canvas: _Canvas, scratch: _Image,
    activated: NDArray[np.uint32],
) -> None:  # fmt: skip
    for image in range(len(cuts) - 1):
        start, stop = cuts[image], cuts[image + 1]
        concepts = _open(masks, category, start, stop, scratch)
        for place in range(_hit(maxima, thresholds, start, stop, scratch)):
            unit, some = scratch.units[place], False
            for view in range(start, stop):
                if not maxima[view, unit] > thresholds[unit]:
                    continue
                _mark(patterns, view, unit, orders[unit], canvas.above)
                _draw(patterns, view, unit, half, thresholds[unit], grid, canvas)
                inside = _area(canvas)
                if inside > 0:
                    some, activated[view, unit] = True, inside
                    _add_view(canvas, masks, view, view - start, inside, scratch)
                    _cover(sums.planes, unit, canvas)
            if some:
                _add_image(unit, concepts, category, sums, scratch)
        scratch.labelled[:] = 0


def _orders(thresholds: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return where each threshold, a stored float16 value, stands in the order of bit patterns."""
    signed = (thresholds + np.float32(0)).astype(np.float16).view(np.int16)
    return signed ^ ((signed >> np.int16(15)) & np.int16(0x7FFF))


@lru_cache(maxsize=8)
def _grid(rows: Axis, columns: Axis) -> _Grid:
    column = np.arange(len(columns.lower))
    bit = np.uint64(1) << (column & 63).astype(np.uint64)
    start = np.flatnonzero((column % 64 == 0) | (np.diff(columns.lower, prepend=-1) != 0))
    stop = np.append(start[1:], len(column))
    whole = np.bitwise_or.reduceat(bit, start)
    pieces = columns.lower[start], start >> 6, start.astype(np.uint64), stop.astype(np.uint64), whole
    return _Grid(rows.weight, rows.first.astype(np.uint64), columns.weight, bit, *pieces)


def _canvas(height: int, width: int, planes: NDArray[np.uint64]) -> _Canvas:
    # whole vectors of cells; those past the map stay untouched
    padded = -(-(width + 1) // 32) * 32
    spans = np.empty((2, planes.shape[2]), np.uint64)
    return _Canvas(
        np.zeros((height + 1, padded + 1), np.uint8),
        np.zeros(padded, np.uint8),
        np.zeros(planes.shape[2:], np.uint64),
        *spans,
    )


def _cuts(image: NDArray[np.integer] | None, views: int) -> NDArray[np.int64]:
    """Return where the views of each source image begin, and the number of views: every view on its own for None."""
    if image is None:
        return np.arange(views + 1)
    return np.append(np.flatnonzero(np.diff(image, prepend=-1)), views).astype(np.int64)


def _scratch(cuts: NDArray[np.int64], tally: "Tally") -> _Image:
    units, concepts, categories = *tally.pairs.shape[:2], tally.categories.shape[1]
    held, labelled, met = np.zeros((3, concepts), np.int64)
    seen = np.zeros((np.diff(cuts).max(initial=1), categories), np.bool_)
    active = np.zeros(categories, np.int64)
    return _Image(np.zeros(units, np.bool_), np.zeros(units, np.int64), held, labelled, seen, met, active)


def half_values() -> NDArray[np.float64]:
    """Return the number of every float16 bit pattern, float64 of shape (65536,); a signed pattern indexes it too."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)


def _add_planes(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Add two counts in bit planes (shape (U, planes, W, rows)), as a ripple of full adders."""
    out, carry = np.empty_like(a), np.zeros_like(a[:, 0])
    for plane in range(a.shape[1]):
        either, both = a[:, plane] ^ b[:, plane], a[:, plane] & b[:, plane]
        out[:, plane] = either ^ carry
        carry = both | (either & carry)
    return out


@dataclass
class Tally:
    """Sums over images of U units against C concepts in G categories; merges by addition.

    Attributes
    ----------
    pairs : int64 ndarray of shape (U, C, 5)
        Over the images of a concept: I, I^2, I U with U the union, A L, and images with I / U > 0.04.
    categories : int64 ndarray of shape (U, G, 2)
        Over the images that have a category: A and A^2.
    planes : uint64 ndarray of shape (U, 32, W, rows)
        Activated images of each pixel in binary: plane p holds bit p of the counts, packed as `masks.pack` does.
    columns : int
        Mask columns.
    """

    pairs: NDArray[np.int64]
    categories: NDArray[np.int64]
    planes: NDArray[np.uint64]
    columns: int

    @classmethod
    def empty(cls, units: int, concepts: int, categories: int, shape: tuple[int, int]) -> Self:
        """Return the tally of no images."""
        return cls(
            np.zeros((units, concepts, 5), np.int64),
            np.zeros((units, categories, 2), np.int64),
            np.zeros((units, _PLANES, -(-shape[1] // 64), shape[0]), np.uint64),
            shape[1],
        )

    def __add__(self, other: Self) -> "Tally":
        """Merge with the tally of other images."""
        planes = _add_planes(self.planes, other.planes)
        return Tally(self.pairs + other.pairs, self.categories + other.categories, planes, self.columns)

    def coverage(self) -> NDArray[np.int64]:
        """Return in how many images each pixel is activated, int64 of shape (U, rows, columns)."""
        units, planes, _, rows = self.planes.shape
        counts = np.zeros((units, rows, self.columns), np.int64)
        for plane in range(planes):
            if self.planes[:, plane].any():
                counts += unpack(self.planes[:, plane], self.columns).astype(np.int64) << plane
        return counts


def add_to_tally(
    tally: Tally,
    activations: NDArray[np.float16],
    maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    masks: MaskBlock,
    category: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    half: NDArray[np.float64],
    image: NDArray[np.integer] | None = None,
) -> NDArray[np.uint32]:
    """Tally a block of n views in place.

    Parameters
    ----------
    tally : Tally
        Sums to add to; its images of mask pixels have the size that `rows` and `columns` sample to.
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps.
    maxima : float32 ndarray of shape (n, U)
        Maximum of each map.
    thresholds : float32 ndarray of shape (U,)
        T of each unit; activated means strictly above.
    masks : MaskBlock
        Labels of the same n images.
    category : int64 ndarray of shape (C,)
        Number of each concept's primary category.
    rows, columns : Axis
        Where mask pixels fall between map positions.
    half : float64 ndarray of shape (65536,)
        From `half_values`.
    image : integer ndarray of shape (n,), optional
        Source image of each view, ascending. Views of one image (crops, flips) are one image in every count and second
        moment, so they must come in one call; by default every view is an image of its own.

    Returns
    -------
    uint32 ndarray of shape (n, U)
        Activated mask pixels |A| of each view and unit.
    """
    views, units, height, width = activations.shape
    activated, cuts = np.zeros((views, units), np.uint32), _cuts(image, views)
    _tally(
        np.ascontiguousarray(activations).view(np.int16), half, np.ascontiguousarray(maxima, np.float32),
        thresholds, _orders(thresholds), _grid(rows, columns), masks, category, cuts,
        _Sums(tally.pairs, tally.categories, tally.planes), _canvas(height, width, tally.planes),
        _scratch(cuts, tally), activated,
    )  # fmt: skip
    return activated
