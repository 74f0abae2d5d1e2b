"""The inner loop of network dissection: how often each unit's activated pixels meet each concept's labelled pixels.

For a unit u and an image, A is the set of mask pixels whose upsampled activation is above T_u; for a concept c, L is the
set of its labelled pixels. The tally adds |A|, |A ∩ L| and their second moments over images, in integers, so that tallies
of image blocks merge by addition and do not depend on order (Bau et al. 2017, section 2.3).

What cannot be above T is never computed. Bilinear interpolation stays between its corners, so an image whose raw maximum
is not above T contributes nothing, and neither does a row of cells without a raw value above T. Inside one mask row and
one cell the value is monotone, so the activated pixels of a row are a few intervals, found at cell borders.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from operators.anchoring import Axis
from operators.masks import MaskBlock

# Columns of Tally.pairs.
INTERSECTION, SQUARED_INTERSECTION, INTERSECTION_UNION, CROSS, ASSOCIATED = range(5)

#: IoU on one image that counts as association: 0.04 = 1 / 25, compared in integers.
_ASSOCIATION_FACTOR = 25


@njit(cache=True, nogil=True, inline="always")
def _popcount(word: np.uint64) -> np.int64:
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True, inline="always")
def _set_bits(words: NDArray[np.uint64], row: int, start: int, stop: int) -> None:
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    first, last = start >> 6, (stop - 1) >> 6
    head = ones << np.uint64(start & 63)
    tail = ones >> np.uint64(63 - ((stop - 1) & 63))
    if first == last:
        words[first, row] |= head & tail
        return
    words[first, row] |= head
    for word in range(first + 1, last):
        words[word, row] = ones
    words[last, row] |= tail


@njit(cache=True, nogil=True, inline="always")
def _above(pattern: np.int16, order: np.int16) -> bool:
    """Compare a float16 bit pattern with a threshold whose pattern was folded by `_orders`."""
    if order >= 0:
        return bool(pattern > order)
    return bool(pattern >= 0 or (pattern ^ 0x7FFF) > order)


@njit(cache=True, nogil=True)
def _find_rows(patterns: NDArray[np.int16], order: np.int16, found: NDArray[np.bool_]) -> None:
    """Find the map rows with a value above the threshold."""
    width = len(patterns) // len(found)
    for i in range(len(found)):
        above = False
        if order >= 0:
            for position in range(i * width, (i + 1) * width):
                above |= patterns[position] > order
        else:
            for position in range(i * width, (i + 1) * width):
                above |= _above(patterns[position], order)
        found[i] = above


@njit(cache=True, nogil=True)
def _count_row_pixels(
    corners: tuple[float, float, float, float],
    threshold: float,
    row_weight: NDArray[np.float64],
    column_weight: NDArray[np.float64],
    left: NDArray[np.float64],
    step: NDArray[np.float64],
    count: NDArray[np.int64],
) -> None:
    """Count the pixels above the threshold in each row of one cell: the definition, pixel by pixel, rows side by side."""
    for row in range(len(row_weight)):
        left[row] = corners[0] + row_weight[row] * (corners[2] - corners[0])
        step[row] = corners[1] + row_weight[row] * (corners[3] - corners[1]) - left[row]
        count[row] = 0
    for column in range(len(column_weight)):
        weight = column_weight[column]
        for row in range(len(row_weight)):
            count[row] += left[row] + weight * step[row] > threshold


@njit(cache=True, nogil=True)
def _activate(
    patterns: NDArray[np.int16],
    width: int,
    half: NDArray[np.float64],
    threshold: float,
    order: np.int16,
    row_weight: NDArray[np.float64],
    row_first: NDArray[np.int64],
    column_weight: NDArray[np.float64],
    column_first: NDArray[np.int64],
    found: NDArray[np.bool_],
    left: NDArray[np.float64],
    step: NDArray[np.float64],
    count: NDArray[np.int64],
    words: NDArray[np.uint64],
    edges: NDArray[np.int32],
    span: NDArray[np.int64],
) -> int:
    """Set the bits of all activated pixels of one map; return their number and put their rows and columns into `span`."""
    height, area = len(found), 0
    span[0], span[1], span[2], span[3] = len(row_weight), 0, len(column_weight), 0
    _find_rows(patterns, order, found)
    for i in range(height):
        below = min(i + 1, height - 1)
        top, bottom = row_first[i], row_first[i + 1]
        if not (found[i] or found[below]) or top == bottom:
            continue
        weights = row_weight[top:bottom]
        for j in range(width):
            beside = min(j + 1, width - 1)
            nw, ne = patterns[i * width + j], patterns[i * width + beside]
            sw, se = patterns[below * width + j], patterns[below * width + beside]
            above = _above(nw, order) + _above(ne, order) + _above(sw, order) + _above(se, order)
            start, stop = column_first[j], column_first[j + 1]
            if above == 0 or start == stop:
                continue
            if above == 4:
                left[: bottom - top] = np.inf
                count[: bottom - top] = stop - start
            else:
                values = (half[nw], half[ne], half[sw], half[se])
                _count_row_pixels(values, threshold, weights, column_weight[start:stop], left, step, count)
            for row in range(bottom - top):
                inside = count[row]
                if inside == 0:
                    continue
                # Along a row the value is monotone: the activated pixels end the cell or begin it.
                begin = start if left[row] > threshold else stop - inside
                _set_bits(words, top + row, begin, begin + inside)
                edges[top + row, begin] += 1
                edges[top + row, begin + inside] -= 1
                area += inside
                span[0], span[1] = min(span[0], top + row), max(span[1], top + row + 1)
                span[2], span[3] = min(span[2], begin), max(span[3], begin + inside)
    return area


@njit(cache=True, nogil=True, inline="always")
def _meet(
    words: NDArray[np.uint64], masks: NDArray[np.uint64], mask: int, top: int, bottom: int, west: int, east: int
) -> np.int64:
    """Count the pixels that `words` and a mask share in rows [top, bottom) of words west to east."""
    common = np.int64(0)
    for word in range(west, east + 1):
        for row in range(top, bottom):
            common += _popcount(words[word, row] & masks[mask, word, row])
    return common


@njit(cache=True, nogil=True)
def _tally(
    patterns: NDArray[np.int16],
    shape: tuple[int, int],
    half: NDArray[np.float64],
    maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    orders: NDArray[np.int16],
    row_weight: NDArray[np.float64],
    row_first: NDArray[np.int64],
    column_weight: NDArray[np.float64],
    column_first: NDArray[np.int64],
    first: NDArray[np.int64],
    concept: NDArray[np.int32],
    area: NDArray[np.int64],
    bitmap: NDArray[np.int64],
    band: NDArray[np.int64],
    masks: NDArray[np.uint64],
    category: NDArray[np.int64],
    pairs: NDArray[np.int64],
    categories: NDArray[np.int64],
    edges: NDArray[np.int32],
    activated: NDArray[np.uint32],
) -> None:
    height, width = shape
    size = len(row_weight)
    found, span = np.empty(height, np.bool_), np.empty(4, np.int64)
    left, step, count = np.empty(size), np.empty(size), np.empty(size, np.int64)
    words = np.zeros((-(-len(column_weight) // 64), size), np.uint64)
    present = np.zeros(categories.shape[1], np.bool_)
    for image in range(len(patterns)):
        present[:] = False
        for pair in range(first[image], first[image + 1]):
            present[category[concept[pair]]] = True
        for unit in range(patterns.shape[1]):
            if not maxima[image, unit] > thresholds[unit]:
                continue
            inside = _activate(
                patterns[image, unit], width, half, thresholds[unit], orders[unit], row_weight, row_first, column_weight,
                column_first, found, left, step, count, words, edges[unit], span,
            )  # fmt: skip
            activated[image, unit] = inside
            if inside == 0:
                continue
            top, bottom, west, east = span[0], span[1], span[2] >> 6, (span[3] - 1) >> 6
            for group in range(len(present)):
                if present[group]:
                    categories[unit, group, 0] += inside
                    categories[unit, group, 1] += inside * inside
            for pair in range(first[image], first[image + 1]):
                common = np.int64(inside)
                if bitmap[pair] >= 0:
                    start, stop = max(top, band[pair, 0]), min(bottom, band[pair, 1])
                    common = _meet(words, masks, bitmap[pair], start, stop, west, east)
                sums = pairs[unit, concept[pair]]
                sums[3] += inside * area[pair]
                if common > 0:
                    union = inside + area[pair] - common
                    sums[0] += common
                    sums[1] += common * common
                    sums[2] += common * union
                    if common * _ASSOCIATION_FACTOR > union:
                        sums[4] += 1
                    # Kept for the second moment of the union: (A + L - I)^2 = (A + L)^2 - 2 I U - I^2.
            words[west : east + 1, top:bottom] = 0


@njit(cache=True, nogil=True)
def _label(
    first: NDArray[np.int64],
    concept: NDArray[np.int32],
    area: NDArray[np.int64],
    bitmap: NDArray[np.int64],
    masks: NDArray[np.uint64],
    category: NDArray[np.int64],
    labels: NDArray[np.int64],
    category_images: NDArray[np.int64],
    coverage: NDArray[np.int32],
) -> None:
    rows, columns = coverage.shape[1:]
    present = np.zeros(len(category_images), np.bool_)
    for image in range(len(first) - 1):
        present[:] = False
        for pair in range(first[image], first[image + 1]):
            index = concept[pair]
            present[category[index]] = True
            labels[index, 0] += 1
            labels[index, 1] += area[pair]
            labels[index, 2] += area[pair] * area[pair]
            if bitmap[pair] < 0:
                coverage[index] += 1
                continue
            for row in range(rows):
                for word in range(masks.shape[1]):
                    bits = masks[bitmap[pair], word, row]
                    for column in range(word * 64, min(columns, word * 64 + 64)):
                        coverage[index, row, column] += np.int32(bits & np.uint64(1))
                        bits >>= np.uint64(1)
        category_images += present


def _orders(thresholds: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return where each threshold, a stored float16 value, stands in the order of bit patterns."""
    signed = (thresholds + np.float32(0)).astype(np.float16).view(np.int16)
    return signed ^ ((signed >> np.int16(15)) & np.int16(0x7FFF))


def half_values() -> NDArray[np.float64]:
    """Return the number of every float16 bit pattern, float64 of shape (65536,); a signed pattern indexes it too."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)


@dataclass
class Tally:
    """Sums over images of U units against C concepts in G categories; merges by addition.

    Attributes
    ----------
    pairs : int64 ndarray of shape (U, C, 5)
        Over the images of a concept: I, I^2, I U with U the union, A L, and images with I / U > 0.04.
    categories : int64 ndarray of shape (U, G, 2)
        Over the images that have a category: A and A^2.
    edges : int32 ndarray of shape (U, rows, columns + 1)
        Activated images of each pixel, as differences along the row: the cumulative sum is the count.
    """

    pairs: NDArray[np.int64]
    categories: NDArray[np.int64]
    edges: NDArray[np.int32]

    @classmethod
    def empty(cls, units: int, concepts: int, categories: int, shape: tuple[int, int]) -> Self:
        """Return the tally of no images."""
        return cls(
            np.zeros((units, concepts, 5), np.int64),
            np.zeros((units, categories, 2), np.int64),
            np.zeros((units, shape[0], shape[1] + 1), np.int32),
        )

    def __add__(self, other: Self) -> "Tally":
        """Merge with the tally of other images."""
        return Tally(self.pairs + other.pairs, self.categories + other.categories, self.edges + other.edges)

    def coverage(self) -> NDArray[np.int64]:
        """Return in how many images each pixel is activated, int64 of shape (U, rows, columns)."""
        return np.cumsum(self.edges, axis=2, dtype=np.int64)[:, :, :-1]


@dataclass
class Labels:
    """Sums over images of the labels alone, C concepts in G categories; merges by addition.

    Attributes
    ----------
    images : int
        Images seen.
    concepts : int64 ndarray of shape (C, 3)
        Images that hold the concept, labelled pixels L, and L^2.
    category_images : int64 ndarray of shape (G,)
        Images that have the category.
    coverage : int32 ndarray of shape (C, rows, columns)
        In how many images each pixel is labelled.
    """

    images: int
    concepts: NDArray[np.int64]
    category_images: NDArray[np.int64]
    coverage: NDArray[np.int32]

    @classmethod
    def empty(cls, concepts: int, categories: int, shape: tuple[int, int]) -> Self:
        """Return the labels of no images."""
        sums = np.zeros((concepts, 3), np.int64), np.zeros(categories, np.int64)
        return cls(0, *sums, np.zeros((concepts, *shape), np.int32))

    def __add__(self, other: Self) -> "Labels":
        """Merge with the labels of other images."""
        return Labels(
            self.images + other.images,
            self.concepts + other.concepts,
            self.category_images + other.category_images,
            self.coverage + other.coverage,
        )

    def add(self, masks: MaskBlock, category: NDArray[np.int64]) -> None:
        """Add the labels of a block of images in place; `category` (int64, shape (C,)) numbers each concept's category."""
        self.images += len(masks.first) - 1
        _label(
            masks.first, masks.concept, masks.area, masks.bitmap, masks.words, category,
            self.concepts, self.category_images, self.coverage,
        )  # fmt: skip


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
) -> NDArray[np.uint32]:
    """Tally a block of n images in place.

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

    Returns
    -------
    uint32 ndarray of shape (n, U)
        Activated mask pixels |A| of each image and unit.
    """
    images, units, height, width = activations.shape
    activated = np.zeros((images, units), np.uint32)
    _tally(
        np.ascontiguousarray(activations).view(np.int16).reshape(images, units, height * width), (height, width), half,
        np.ascontiguousarray(maxima, np.float32), thresholds, _orders(thresholds),
        rows.weight, rows.first, columns.weight, columns.first,
        masks.first, masks.concept, masks.area, masks.bitmap, masks.band, masks.words, category,
        tally.pairs, tally.categories, tally.edges, activated,
    )  # fmt: skip
    return activated
