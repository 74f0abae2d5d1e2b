"""How often concepts occur: images, labelled pixels and where they lie; the labels alone, without activations."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from operators.masks import MaskBlock


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
