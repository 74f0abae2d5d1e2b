"""Activated pixels of units, drawn once and kept packed, for operators that meet them with many masks."""

from typing import NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.drawing import (
    Canvas,
    Grid,
    area_of,
    canvas_of,
    draw_map,
    grid_of,
    inlined,
    mark_above,
    orders_of,
    popcount,
)
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.dissection.tally import (
    Tally,
    _add_image,
    _add_view,
    _cover,
    _cuts,
    _Ignored,
    _ignored,
    _Image,
    _open,
    _scratch,
    _Sums,
)


@inlined
def common_pixels(words: NDArray[np.uint64], span: NDArray[np.int64], mask: NDArray[np.uint64]) -> np.int64:
    """Count the pixels of a packed bitmap (uint64, shape (W, rows)) that are in a mask too, on the rows that it spans."""
    total = np.int64(0)
    for word in range(len(words)):
        for row in range(span[word, 0], span[word, 1]):
            total += popcount(words[word, row] & mask[word, row])
    return total


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
        Activated pixels, packed as `operators.dissection.masks.pack` does.
    """

    first: NDArray[np.int64]
    unit: NDArray[np.int64]
    area: NDArray[np.int64]
    span: NDArray[np.int64]
    words: NDArray[np.uint64]

    @classmethod
    def empty(cls, maxima: NDArray[np.float32], thresholds: NDArray[np.float32], shape: tuple[int, int]) -> Self:
        """Return the active pairs, those of a maximum above T, (U,) or (n, U); nothing is drawn yet on masks of `shape`."""
        above = maxima > thresholds
        image, unit = np.nonzero(above)
        words = -(-shape[1] // 64)
        return cls(
            np.searchsorted(image, np.arange(len(above) + 1)).astype(np.int64),
            unit.astype(np.int64),
            np.zeros(len(unit), np.int64),
            np.zeros((len(unit), words, 2), np.int64),
            np.zeros((len(unit), words, shape[0]), np.uint64),
        )

    @property
    def image(self) -> NDArray[np.int64]:
        """Image of each pair, int64 of shape (p,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


@inlined
def pixels_labelled(drawn: Activated, pair: int, masks: MaskBlock, label: int) -> np.int64:
    """Count the activated pixels of a pair inside one mask of a block."""
    bitmap = masks.bitmap[label]
    if bitmap < 0:
        return np.int64(drawn.area[pair])
    return np.int64(common_pixels(drawn.words[pair], drawn.span[pair], masks.words[bitmap]))


@njit(cache=True, nogil=True)
def _draw_pairs(
    patterns: NDArray[np.int16], half: NDArray[np.float64], thresholds: NDArray[np.float32], orders: NDArray[np.int16],
    grid: Grid, canvas: Canvas, drawn: Activated,
) -> None:  # fmt: skip
    for image in range(len(drawn.first) - 1):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            unit = drawn.unit[pair]
            mark_above(patterns, image, unit, orders[image, unit], canvas.above)
            draw_map(patterns, image, unit, half, thresholds[image, unit], grid, canvas)
            drawn.area[pair] = area_of(canvas)
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
    thresholds : float32 ndarray of shape (U,) or (n, U)
        T of each unit, on all images or on each; activated means strictly above.
    rows, columns : Axis
        Where mask pixels fall between map positions.
    half : float64 ndarray of shape (65536,)
        From `operators.dissection.tally.half_values`.

    Returns
    -------
    Activated
        The same pixels that `operators.dissection.tally.add_to_tally` counts.
    """
    drawn = Activated.empty(maxima, thresholds, (len(rows.lower), len(columns.lower)))
    height, width = activations.shape[2:]
    canvas = canvas_of(height, width, np.zeros((1, 1, *drawn.words.shape[1:]), np.uint64))
    patterns = np.ascontiguousarray(activations).view(np.int16)
    each = np.ascontiguousarray(np.broadcast_to(thresholds, maxima.shape))
    _draw_pairs(patterns, half, each, orders_of(each), grid_of(rows, columns), canvas, drawn)
    return drawn


@njit(cache=True, nogil=True)
def _tally_drawn(
    drawn: Activated, pair_of: NDArray[np.int64], masks: MaskBlock, category: NDArray[np.int64],
    cuts: NDArray[np.int64], sums: _Sums, canvas: Canvas, scratch: _Image, ignored: _Ignored | None,
) -> None:  # fmt: skip
    for image in range(len(cuts) - 1):
        start, stop = cuts[image], cuts[image + 1]
        concepts = _open(masks, category, start, stop, scratch, ignored)
        for unit in range(pair_of.shape[1]):
            some = False
            for view in range(start, stop):
                pair = pair_of[view, unit]
                if pair < 0 or drawn.area[pair] == 0:
                    continue
                some = True
                canvas.words[:] = drawn.words[pair]
                for word in range(len(canvas.words)):
                    canvas.top_row[word], canvas.end_row[word] = drawn.span[pair, word, 0], drawn.span[pair, word, 1]
                _add_view(canvas, masks, view, view - start, drawn.area[pair], scratch, ignored)
                _cover(sums.planes, unit, canvas)
            if some:
                _add_image(unit, concepts, masks, start, stop, category, sums, scratch, ignored)
        scratch.labelled[:] = 0


def add_drawn_to_tally(
    tally: Tally,
    drawn: Activated,
    masks: MaskBlock,
    category: NDArray[np.int64],
    image: NDArray[np.integer] | None = None,
) -> NDArray[np.uint32]:
    """Tally a block of n views whose activated pixels were drawn before, in place.

    Parameters
    ----------
    tally, masks, category, image
        As for `operators.dissection.tally.add_to_tally`.
    drawn : Activated
        Activated pixels of the same n views, drawn in whatever way.

    Returns
    -------
    uint32 ndarray of shape (n, U)
        Activated mask pixels |A| of each view and unit.
    """
    shape = len(drawn.first) - 1, len(tally.pairs)
    pair_of, activated, cuts = np.full(shape, -1), np.zeros(shape, np.uint32), _cuts(image, shape[0])
    pair_of[drawn.image, drawn.unit] = np.arange(len(drawn.unit))
    activated[drawn.image, drawn.unit] = drawn.area
    _tally_drawn(
        drawn, pair_of, masks, category, cuts, _Sums(tally.pairs, tally.categories, tally.planes),
        canvas_of(1, 1, tally.planes), _scratch(cuts, tally), _ignored(tally, masks),
    )  # fmt: skip
    return activated
