"""Which images are annotated: random draws that depend on nothing but their seed."""

import numpy as np
from numpy.typing import NDArray


def draw_shots(images: NDArray[np.int64], shots: int, seed: int) -> NDArray[np.int64]:
    """Draw places of views of different source images: int64 of shape (shots,).

    Parameters
    ----------
    images : int64 ndarray of shape (n,)
        Source image of each view that may be annotated.
    shots : int
        Views to draw.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        If fewer than `shots` source images are given.
    """
    # raw bits alone are the same in all versions of numpy
    order = np.argsort(np.random.PCG64(seed).random_raw(len(images)), kind="stable")
    _, first = np.unique(images[order], return_index=True)
    if len(first) < shots:
        raise ValueError(f"{len(first)} source images for {shots} shots")
    return np.asarray(order[np.sort(first)[:shots]], np.int64)


__all__ = ["draw_shots"]
