"""How often concepts occur: images, labelled pixels and where they lie; the labels alone, without activations."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.dissection.tally import _cuts, category_of_pair


@njit(cache=True, nogil=True)
def _label(
    first: NDArray[np.int64],
    concept: NDArray[np.int32],
    area: NDArray[np.int64],
    category: NDArray[np.int64],
    cuts: NDArray[np.int64],
    labels: NDArray[np.int64],
    category_images: NDArray[np.int64],
    category_views: NDArray[np.int64],
) -> None:
    held = np.zeros(len(labels), np.int64)
    somewhere = np.zeros(len(category_images), np.bool_)
    here = np.zeros(len(category_images), np.bool_)
    for image in range(len(cuts) - 1):
        held[:] = 0
        somewhere[:] = False
        for view in range(cuts[image], cuts[image + 1]):
            here[:] = False
            for pair in range(first[view], first[view + 1]):
                if concept[pair] < len(category):
                    held[concept[pair]] += area[pair]
                here[category_of_pair(concept[pair], category)] = True
            category_views += here
            somewhere |= here
        category_images += somewhere
        labels[:, 0] += held > 0
        labels[:, 1] += held
        labels[:, 2] += held * held


@njit(cache=True, nogil=True)
def _cover(
    concept: NDArray[np.int32], bitmap: NDArray[np.int64], masks: NDArray[np.uint64], coverage: NDArray[np.int32]
) -> None:
    rows, columns = coverage.shape[1:]
    for pair in range(len(concept)):
        index = concept[pair]
        if index >= len(coverage):
            continue
        if bitmap[pair] < 0:
            coverage[index] += 1
            continue
        for row in range(rows):
            for word in range(masks.shape[1]):
                bits = masks[bitmap[pair], word, row]
                for column in range(word * 64, min(columns, word * 64 + 64)):
                    coverage[index, row, column] += np.int32(bits & np.uint64(1))
                    bits >>= np.uint64(1)


@dataclass
class Labels:
    """Sums over images of the labels alone, C concepts in G categories; merges by addition.

    Attributes
    ----------
    views : int
        Views seen; whole images count as one each.
    concepts : int64 ndarray of shape (C, 3)
        Source images that hold the concept, labelled pixels L of all their views, and L^2.
    category_images, category_views : int64 ndarray of shape (G,)
        Source images and views that have the category.
    coverage : int32 ndarray of shape (C, rows, columns)
        In how many views each pixel is labelled.
    """

    views: int
    concepts: NDArray[np.int64]
    category_images: NDArray[np.int64]
    category_views: NDArray[np.int64]
    coverage: NDArray[np.int32]

    @classmethod
    def empty(cls, concepts: int, categories: int, shape: tuple[int, int]) -> Self:
        """Return the labels of no images."""
        of_categories = np.zeros(categories, np.int64), np.zeros(categories, np.int64)
        return cls(0, np.zeros((concepts, 3), np.int64), *of_categories, np.zeros((concepts, *shape), np.int32))

    def __add__(self, other: Self) -> "Labels":
        """Merge with the labels of other images."""
        return Labels(
            self.views + other.views,
            self.concepts + other.concepts,
            self.category_images + other.category_images,
            self.category_views + other.category_views,
            self.coverage + other.coverage,
        )

    def add(self, masks: MaskBlock, category: NDArray[np.int64], image: NDArray[np.integer] | None = None) -> None:
        """Add the labels of a block of views in place.

        Parameters
        ----------
        masks : MaskBlock
            Labels of n views, and ignored regions.
        category : int64 ndarray of shape (C,)
            Number of each concept's category.
        image : integer ndarray of shape (n,), optional
            Source image of each view, as for `operators.dissection.tally.add_to_tally`.
        """
        self.views += len(masks.first) - 1
        _label(
            masks.first, masks.concept, masks.area, category, _cuts(image, len(masks.first) - 1),
            self.concepts, self.category_images, self.category_views,
        )  # fmt: skip
        _cover(masks.concept, masks.bitmap, masks.words, self.coverage)
