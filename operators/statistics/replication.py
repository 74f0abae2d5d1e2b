"""Does a label hold on images that had no part in choosing it? Folds, choices, and what they meet on other images."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated, pixels_labelled
from filterscope.operators.dissection.masks import MaskBlock

#: Random words of 64 bits come in fours.
_PHILOX_WORDS = 4


def random_words(seed: int, start: int, stop: int, words: int) -> NDArray[np.uint64]:
    """Return random bits of images [start, stop), uint64 of shape (stop - start, words), the same for any cut."""
    steps = -(-words // _PHILOX_WORDS)
    stream = np.random.Philox(key=seed, counter=start * steps)
    return stream.random_raw((stop - start) * steps * _PHILOX_WORDS).reshape(stop - start, steps * _PHILOX_WORDS)[
        :, :words
    ]


def best_of(iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the concept of highest IoU (float64, shape (..., C, U)), int64 of shape (..., U).

    Ties go to the lower concept; -1 where no concept meets the unit.
    """
    if iou.shape[-2] == 0:
        return np.full((*iou.shape[:-2], iou.shape[-1]), -1)
    return np.where(iou.max(axis=-2) > 0, iou.argmax(axis=-2), -1)


def balanced_folds(keys: NDArray[np.str_], folds: int) -> NDArray[np.int64]:
    """Deal images into folds by the order of their keys, int64 of shape (n,): images of one key together."""
    _, rank = np.unique(keys, return_inverse=True)
    return rank.ravel().astype(np.int64) % folds


@njit(cache=True, nogil=True)
def _find(concept: NDArray[np.int32], begin: int, end: int, wanted: int) -> int:
    for labelled in range(begin, end):
        if concept[labelled] == wanted:
            return labelled
    return -1


@njit(cache=True, nogil=True)
def _overlap(
    drawn: Activated, masks: MaskBlock, images: NDArray[np.int64], chosen: NDArray[np.int64], common: NDArray[np.int64]
) -> None:
    for place in range(len(images)):
        begin, end = masks.first[images[place]], masks.first[images[place] + 1]
        for pair in range(drawn.first[place], drawn.first[place + 1]):
            unit = drawn.unit[pair]
            labelled = _find(masks.concept, begin, end, chosen[place, unit])
            if labelled < 0:
                continue
            common[place, unit] = pixels_labelled(drawn, pair, masks, labelled)


def overlaps(
    drawn: Activated, masks: MaskBlock, images: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return |A ∩ L| on each image for one concept per unit, int64 of shape (n, U).

    Parameters
    ----------
    drawn : Activated
        Activated pixels of n images.
    masks : MaskBlock
        Labels of all images.
    images : int64 ndarray of shape (n,)
        Numbers of the images in `masks`.
    chosen : int64 ndarray of shape (n, U)
        Concept of each unit on each image, or -1.
    """
    common = np.zeros(chosen.shape, np.int64)
    _overlap(drawn, masks, images, np.ascontiguousarray(chosen), common)
    return common


@njit(cache=True, nogil=True)
def _overlap_draws(
    drawn: Activated, masks: MaskBlock, source: NDArray[np.int64], chosen: NDArray[np.int64], common: NDArray[np.int64]
) -> None:
    for draw in range(len(source)):
        for place in range(source.shape[1]):
            giver = source[draw, place]
            if giver < 0:
                continue
            begin, end = masks.first[giver], masks.first[giver + 1]
            for pair in range(drawn.first[place], drawn.first[place + 1]):
                unit = drawn.unit[pair]
                if chosen[draw, unit] < 0:
                    continue
                labelled = _find(masks.concept, begin, end, chosen[draw, unit])
                if labelled >= 0:
                    common[draw, unit] += pixels_labelled(drawn, pair, masks, labelled)


def add_overlaps(
    common: NDArray[np.int64],
    drawn: Activated,
    masks: MaskBlock,
    source: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> None:
    """Add |A ∩ L| of n images in place, for one concept of each unit in every draw of whose labels the images get.

    Parameters
    ----------
    common : int64 ndarray of shape (draws, U)
        Sums to add to.
    drawn : Activated
        Activated pixels of the n images.
    masks : MaskBlock
        Labels of all images.
    source : int64 ndarray of shape (draws, n)
        Image whose labels each image gets, or `permutation.LEFT_OUT`.
    chosen : int64 ndarray of shape (draws, U)
        Concept of each unit, or -1.
    """
    _overlap_draws(drawn, masks, np.ascontiguousarray(source), np.ascontiguousarray(chosen), common)
