"""Which category each filter stands for: the one whose images it fires on most.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018: section 3.
"""

import numpy as np
from numpy.typing import NDArray

#: Category of an image that has none, such as a negative, and of a filter that fires on no image of any.
NONE = -1


def filter_categories(
    fired: NDArray[np.floating], category: NDArray[np.int64], categories: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Assign each filter the category of the largest mean sum of its map; of equal ones the first.

    Parameters
    ----------
    fired : float ndarray of shape (images, F)
        Sum of each filter's map on each image, not negative.
    category : int64 ndarray of shape (images,)
        Category of each image; `NONE` where it has none.
    categories : int
        How many there are.

    Returns
    -------
    assigned : int64 ndarray of shape (F,)
        Category of each filter; `NONE` where it fires on no image of any category.
    margin : float64 ndarray of shape (F,)
        Mean sum of its category less that of the next one, over their sum: 0 where they are equal, 1 where it fires on its
        own category alone. With one category the others are the images of none.
    """
    mean = np.zeros((categories + 1, fired.shape[1]))
    for number in range(NONE, categories):
        rows = category == number
        if rows.any():
            mean[number] = fired[rows].mean(axis=0, dtype=np.float64)
    named = mean[:categories]
    assigned = np.where(named.max(axis=0) > 0, named.argmax(axis=0), NONE)
    ranked = np.sort(mean if categories == 1 else named, axis=0)
    best, next_best = named.max(axis=0), np.where(categories == 1, mean[-1], ranked[-2] if len(ranked) > 1 else 0.0)
    total = best + next_best
    margin = np.divide(best - next_best, total, out=np.zeros_like(total), where=total > 0)
    return assigned.astype(np.int64), margin


__all__ = ["NONE", "filter_categories"]
