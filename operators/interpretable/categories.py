"""Which category each filter stands for: the one whose images it fires on most.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018: section 3.
"""

import numpy as np
from numpy.typing import NDArray

#: Category of a filter that fires on no image of any.
NONE = -1


def filter_categories(
    fired: NDArray[np.floating], member: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Assign each filter the category of the largest mean sum of its map; of equal ones the first.

    Parameters
    ----------
    fired : float ndarray of shape (images, F)
        Sum of each filter's map on each image, not negative.
    member : bool ndarray of shape (images, categories)
        Which categories an image is of; of none, such as a negative, or of several.

    Returns
    -------
    assigned : int64 ndarray of shape (F,)
        Category of each filter; `NONE` where it fires on no image of any.
    margin : float64 ndarray of shape (F,)
        Mean sum of its category less that of the next one, over their sum: 0 where they are equal, 1 where it fires on its
        own category alone. With one category the images of none stand for the next one, and it may be negative.
    """
    mean = np.stack([_mean(fired[mine]) for mine in member.T])
    rivals = mean if len(mean) > 1 else np.stack([mean[0], _mean(fired[~member[:, 0]])])
    best = mean.max(axis=0)
    assigned = np.where(best > 0, mean.argmax(axis=0), NONE).astype(np.int64)
    following = np.where(len(mean) > 1, np.sort(rivals, axis=0)[-2], rivals[-1])
    total = best + following
    return assigned, np.divide(best - following, total, out=np.zeros_like(total), where=total > 0)


def _mean(fired: NDArray[np.floating]) -> NDArray[np.float64]:
    return fired.mean(axis=0, dtype=np.float64) if len(fired) else np.zeros(fired.shape[1])


__all__ = ["NONE", "filter_categories"]
