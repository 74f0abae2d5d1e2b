"""Annotations permuted over images: the null of network dissection's best IoU.

All units and concepts share one permutation, so that what concepts have in common and what units have in common stays.
Groups of images (the frames of a video; the crops of an image) change places as wholes, and only with groups that are
annotated for the same categories. Where all groups are single images, A(u, g), the activated pixels of the images that have
a category, and G(c), the labelled ones, stay what they were; where sizes differ, both are counted anew.
"""

from collections.abc import Iterable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.drawing import popcount
from filterscope.operators.dissection.masks import MaskBlock, category_of

#: Where an image has no labels in a draw.
LEFT_OUT = -1


def category_sets(masks: MaskBlock, category: NDArray[np.int64], categories: int) -> NDArray[np.bool_]:
    """Return which categories each of n images has a label of, bool of shape (n, G).

    Parameters
    ----------
    masks : MaskBlock
        Labels of the images.
    category : int64 ndarray of shape (C,)
        Number of each concept's primary category.
    categories : int
        Number of categories G.
    """
    images = len(masks.first) - 1
    found = np.zeros((images, categories), np.bool_)
    found[np.repeat(np.arange(images), np.diff(masks.first)), category_of(masks.concept, category)] = True
    return found


class Strata:
    """Groups of views that may change places.

    Parameters
    ----------
    views : int64 ndarray of shape (n,)
        Numbers of the views, ascending.
    group : int64 ndarray of shape (n,)
        Group of each: its source image, or what that belongs to.
    kinds : ndarray of shape (n, G)
        What each is annotated for; groups change places if they are annotated for the same, all their views together.
    """

    def __init__(self, views: NDArray[np.int64], group: NDArray[np.int64], kinds: NDArray[np.bool_]) -> None:
        order = np.argsort(group, kind="stable")
        _, self._start, self._count = np.unique(group[order], return_index=True, return_counts=True)
        self._views = views[order]
        self._length = int(views.max()) + 1 if len(views) else 0
        together = np.logical_or.reduceat(kinds[order], self._start, axis=0) if len(views) else kinds
        self.stratum = np.unique(together, axis=0, return_inverse=True)[1].ravel()

    def permuted(self, seed: int) -> NDArray[np.int64]:
        """Return whose labels each view gets, int64 by its number; `LEFT_OUT` for numbers that are no view.

        A group gets the labels of another in their order: all of them where both have as many views, else evenly spaced ones.
        """
        # raw bits alone are the same in all versions of numpy
        keys = np.random.PCG64(seed).random_raw(len(self._start))
        place, drawn = np.argsort(self.stratum, kind="stable"), np.lexsort((keys, self.stratum))
        giver = np.empty_like(place)
        giver[place] = drawn
        rank = np.arange(len(self._views)) - np.repeat(self._start, self._count)
        offset = rank * np.repeat(self._count[giver], self._count) // np.repeat(self._count, self._count)
        source = np.full(self._length, LEFT_OUT, np.int64)
        source[self._views] = self._views[np.repeat(self._start[giver], self._count) + offset]
        return source


@njit(cache=True, nogil=True)
def _intersect(
    drawn: Activated, masks: MaskBlock, slot: NDArray[np.int64], source: NDArray[np.int64],
    intersection: NDArray[np.int64],
) -> None:  # fmt: skip
    width, rows = drawn.words.shape[1:]
    for image in range(len(drawn.first) - 1):
        begin, end = drawn.first[image], drawn.first[image + 1]
        if begin == end:
            continue
        for draw in range(len(source)):
            giver = source[draw, image]
            if giver < 0:
                continue
            for labelled in range(masks.first[giver], masks.first[giver + 1]):
                concept, bitmap = slot[masks.concept[labelled]], masks.bitmap[labelled]
                if concept < 0:
                    continue
                if bitmap < 0:
                    for pair in range(begin, end):
                        intersection[draw, concept, drawn.unit[pair]] += drawn.area[pair]
                    continue
                top, bottom = masks.band[labelled, 0], masks.band[labelled, 1]
                for pair in range(begin, end):
                    common = np.int64(0)
                    for word in range(width):
                        low, high = max(top, drawn.span[pair, word, 0]), min(bottom, drawn.span[pair, word, 1])
                        if low >= high:
                            continue
                        # whole vectors of rows: what is outside either span is empty
                        low, high = low & ~7, min((high + 7) & ~7, rows)
                        for row in range(np.uint64(low), np.uint64(high)):
                            common += popcount(drawn.words[pair, word, row] & masks.words[bitmap, word, row])
                    intersection[draw, concept, drawn.unit[pair]] += common


def add_intersections(
    intersection: NDArray[np.int64],
    drawn: Activated,
    masks: MaskBlock,
    slot: NDArray[np.int64],
    source: NDArray[np.int64],
) -> None:
    """Add |A ∩ L| of n images in place, once for every draw of whose labels they get.

    Parameters
    ----------
    intersection : int64 ndarray of shape (draws, concepts, U)
        Sums to add to.
    drawn : Activated
        Activated pixels of the n images.
    masks : MaskBlock
        Labels of all images.
    slot : int64 ndarray of shape (C,)
        Place of each concept, and of each ignored region if there are any, in `intersection`; -1 is not asked for.
    source : int64 ndarray of shape (draws, n)
        Image whose labels each image gets, or `LEFT_OUT`.
    """
    _intersect(drawn, masks, slot, np.ascontiguousarray(source), intersection)


def add_activated(
    activated: NDArray[np.int64], area: NDArray[np.int64], kinds: NDArray[np.bool_], source: NDArray[np.int64]
) -> None:
    """Add A, the activated pixels of n images that have each category, in place, once for every draw.

    Parameters
    ----------
    activated : int64 ndarray of shape (draws, G, U)
        Sums to add to.
    area : int64 ndarray of shape (n, U)
        Activated pixels of each image.
    kinds : bool ndarray of shape (images, G)
        Which categories each image is annotated with.
    source : int64 ndarray of shape (draws, n)
        Image whose labels each image gets, or `LEFT_OUT`.
    """
    draws, images = source.shape
    has = kinds[source] & (source != LEFT_OUT)[:, :, None]
    # whole numbers far below 2^53: the product is exact in any order
    rows = has.transpose(0, 2, 1).reshape(-1, images).astype(np.float64)
    activated += (rows @ area.astype(np.float64)).astype(np.int64).reshape(draws, -1, area.shape[1])


def labelled_pixels(masks: MaskBlock, source: Iterable[NDArray[np.int64]], concepts: int) -> NDArray[np.int64]:
    """Return G, the labelled pixels of each concept, int64 of shape (draws, C), once for every draw.

    Parameters
    ----------
    masks : MaskBlock
        Labels of all images.
    source : iterable of int64 ndarray of shape (n,)
        In each draw, the image whose labels each image gets, or `LEFT_OUT`.
    concepts : int
        Number of concepts C.
    """
    counts = np.diff(masks.first)
    every = (np.bincount(givers[givers != LEFT_OUT], minlength=len(counts)) for givers in source)
    # whole numbers far below 2^53: sums are exact
    found = [np.bincount(masks.concept, masks.area * np.repeat(times, counts), concepts)[:concepts] for times in every]
    return np.array(found, np.int64).reshape(-1, concepts)


def iou_of(
    intersection: NDArray[np.int64], activated: NDArray[np.int64], labelled: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the data-set IoU, I / (A + G - I), 0 where the union is empty.

    Parameters
    ----------
    intersection : int64 ndarray of shape (..., C, U)
        I.
    activated : int64 ndarray of shape (..., C, U)
        A, activated pixels of the images that have the concept's category.
    labelled : int64 ndarray of shape (..., C, 1)
        G.
    """
    union = activated + labelled - intersection
    iou = np.zeros(union.shape)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou
