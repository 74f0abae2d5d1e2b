"""Nested samples of images, to see what a finding becomes as images are added."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def nested_samples(group: NDArray[np.int64], parts: Sequence[int], seed: int) -> NDArray[np.bool_]:
    """Draw nested samples of groups; all views of a group are in a sample or none.

    Parameters
    ----------
    group : int64 ndarray of shape (n,)
        Group of each view: its source image, or what that belongs to.
    parts : sequence of int
        A sample holds one in so many groups, rounded up: 1 for all of them.
    seed : int
        Of the one order in which groups are added.

    Returns
    -------
    bool ndarray of shape (len(parts), n)
        Views in each sample.
    """
    images, place = np.unique(group, return_inverse=True)
    # raw bits alone are the same in all versions of numpy
    keys = np.random.PCG64(seed).random_raw(len(images))
    rank = np.empty(len(images), np.int64)
    rank[np.argsort(keys, kind="stable")] = np.arange(len(images))
    sizes = np.array([-(-len(images) // part) for part in parts], np.int64)
    return np.asarray(rank[place.ravel()] < sizes[:, None])
