"""Sums over groups of images, and of their products, from images that come in any order and in any cut."""

import numpy as np
from numpy.typing import NDArray


class GroupSums:
    """Sums over the groups of each fold of V values of U units, and of the products of these sums.

    What a group has is kept until its last image, so that memory does not grow with the number of groups that are done.

    Parameters
    ----------
    group : int64 ndarray of shape (images,)
        Group of each image: the number of one of its images.
    counted : bool ndarray of shape (images,)
        Images that will be added; the others never are.
    fold : int64 ndarray of shape (images,)
        Fold of each image; those of a group are in one.
    folds, values, units : int
        How many there are.

    Attributes
    ----------
    sums : int64 ndarray of shape (V, folds, U)
        Over the groups that are complete.
    products : float64 ndarray of shape (V (V + 1) / 2, folds, U)
        Of each two sums of a group, in the order of `numpy.triu_indices`.
    """

    def __init__(
        self,
        group: NDArray[np.int64],
        counted: NDArray[np.bool_],
        fold: NDArray[np.int64],
        *,
        folds: int,
        values: int,
        units: int,
    ) -> None:
        self._group, self._fold = group, fold
        self._left = np.bincount(group[counted], minlength=len(fold))
        self._open: dict[int, NDArray[np.int64]] = {}
        self._pairs = np.triu_indices(values)
        self.sums = np.zeros((values, folds, units), np.int64)
        self.products = np.zeros((len(self._pairs[0]), folds, units))

    def add(self, images: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add n images by their numbers, with values of shape (V, n, U)."""
        groups, first, place, counts = np.unique(
            self._group[images], return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(place.ravel(), kind="stable")
        sums = np.add.reduceat(values[:, order], np.cumsum(counts) - counts, axis=1)
        self._left[groups] -= counts
        done = self._left[groups] == 0
        for index, number in enumerate(groups.tolist()):
            if number in self._open or not done[index]:
                sums[:, index] += self._open.pop(number, 0)
                if not done[index]:
                    self._open[number] = sums[:, index].copy()
        folds = self._fold[images[first]]
        for fold in np.unique(folds[done]).tolist():
            own = sums[:, done & (folds == fold)]
            self.sums[:, fold] += own.sum(axis=1)
            one, other = (own[index].astype(np.float64) for index in self._pairs)
            self.products[:, fold] += (one * other).sum(axis=1)


def effective_count(total: NDArray[np.int64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (sum I)^2 / sum I^2, float64 of the same shape: on how many groups a sum rests; 0 where it is 0."""
    return np.divide(total.astype(np.float64) ** 2, squares, out=np.zeros(total.shape), where=squares > 0)
