"""An order of attributes in which those that are tied stand side by side."""

import numpy as np
from numpy.typing import NDArray


def clustered(relation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order of A attributes by average-linkage clustering with optimal leaves.

    Parameters
    ----------
    relation : float64 ndarray of shape (A, A)
        Symmetric, -1 to 1; the distance of two attributes is 1 - relation. NaN counts as 0.

    Returns
    -------
    int64 ndarray of shape (A,)
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(relation) < 3:
        return np.arange(len(relation))
    apart = 1 - np.nan_to_num(relation)
    first, second = np.triu_indices(len(apart), 1)
    return np.asarray(leaves_list(linkage(apart[first, second], "average", optimal_ordering=True)), np.int64)


__all__ = ["clustered"]
