"""Does a unit meet its concept where it lies in the image? Circular shifts of the masks (the position test).

Shifting keeps how many pixels are activated and labelled on each image, so the IoU follows the intersection alone. A low
p says that positions agree, which a bias of both towards the centre is enough for: it makes no unit significant.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.drawing import popcount
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.statistics.replication import random_words


def random_shifts(seed: int, start: int, stop: int, draws: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return rows and columns to shift each image's masks by, int64 of shape (stop - start, draws, 2), for any cut."""
    halves = random_words(seed, start, stop, draws).astype("<u8", copy=False).view("<u4").reshape(-1, draws, 2)
    return ((halves.astype(np.uint64) * np.array(shape, np.uint64)) >> np.uint64(32)).astype(np.int64)


@njit(cache=True, nogil=True)
def _tile(mask: NDArray[np.uint64], columns: int, tiled: NDArray[np.uint64]) -> None:
    """Repeat the columns of a mask (W, rows) to the right until `tiled` (rows, words) is full."""
    tiled[:] = 0
    for copy in range(-(-tiled.shape[1] * 64 // columns)):
        for word in range(len(mask)):
            bit = copy * columns + word * 64
            place, inside = bit >> 6, np.uint64(bit & 63)
            for row in range(mask.shape[1]):
                if place < tiled.shape[1]:
                    tiled[row, place] |= mask[word, row] << inside
                if inside and place + 1 < tiled.shape[1]:
                    tiled[row, place + 1] |= mask[word, row] >> (np.uint64(64) - inside)


@njit(cache=True, nogil=True)
def _meet_shifted(
    words: NDArray[np.uint64], span: NDArray[np.int64], tiled: NDArray[np.uint64], columns: int, down: int, right: int
) -> np.int64:
    common, rows = np.int64(0), len(tiled)
    for word in range(len(words)):
        bit = (word * 64 - right) % columns
        place, inside = bit >> 6, np.uint64(bit & 63)
        for row in range(span[word, 0], span[word, 1]):
            source = (row - down) % rows
            bits = tiled[source, place] >> inside
            if inside:
                bits |= tiled[source, place + 1] << (np.uint64(64) - inside)
            common += popcount(words[word, row] & bits)
    return common


@njit(cache=True, nogil=True)
def _shift(
    drawn: Activated, masks: MaskBlock, images: NDArray[np.int64], label: NDArray[np.int64], columns: int,
    shifts: NDArray[np.int64], tiled: NDArray[np.uint64], common: NDArray[np.int64],
) -> None:  # fmt: skip
    for place in range(len(images)):
        for labelled in range(masks.first[images[place]], masks.first[images[place] + 1]):
            bitmap, fresh = masks.bitmap[labelled], True
            for pair in range(drawn.first[place], drawn.first[place + 1]):
                unit = drawn.unit[pair]
                if label[unit] != masks.concept[labelled]:
                    continue
                if bitmap < 0:
                    common[:, unit] += drawn.area[pair]
                    continue
                if fresh:
                    _tile(masks.words[bitmap], columns, tiled)
                    fresh = False
                for draw in range(len(common)):
                    common[draw, unit] += _meet_shifted(
                        drawn.words[pair],
                        drawn.span[pair],
                        tiled,
                        columns,
                        shifts[place, draw, 0],
                        shifts[place, draw, 1],
                    )


def add_shifted(
    common: NDArray[np.int64],
    drawn: Activated,
    masks: MaskBlock,
    images: NDArray[np.int64],
    label: NDArray[np.int64],
    columns: int,
    shifts: NDArray[np.int64],
) -> None:
    """Add |A ∩ shifted L| of n images in place, for the label of each unit.

    Parameters
    ----------
    common : int64 ndarray of shape (draws, U)
        Sums to add to.
    drawn : Activated
        Activated pixels of the n images.
    masks : MaskBlock
        Labels of all images.
    images : int64 ndarray of shape (n,)
        Numbers of the images in `masks`.
    label : int64 ndarray of shape (U,)
        Concept of each unit, or -1.
    columns : int
        Mask columns; rows and columns that leave the mask on one side come back on the other.
    shifts : int64 ndarray of shape (n, draws, 2)
        Rows down and columns to the right, from `random_shifts`.
    """
    tiled = np.zeros((masks.words.shape[2], -(-columns // 64) + 2), np.uint64)
    _shift(drawn, masks, images, label, columns, shifts, tiled, common)
