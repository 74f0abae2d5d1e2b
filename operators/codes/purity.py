"""How purely the values of a choice stand for classes, beside permuted images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Permutations of the images.
PERMUTATIONS = 50


class Purity(NamedTuple):
    """What a choice of V values tells of L classes.

    Attributes
    ----------
    counts : int64 ndarray of shape (V, L)
        Images of each value and class.
    matched : int64 ndarray of shape (V,)
        The class that each value is matched with, one to one; -1 where no class is left.
    purity : float
        Share of the images whose class is the one that their value is matched with; NaN without images.
    null : float
        Its mean over permuted images, each matched anew.
    """

    counts: NDArray[np.int64]
    matched: NDArray[np.int64]
    purity: float
    null: float


def purity(
    values: NDArray[np.integer], classes: NDArray[np.integer], size: tuple[int, int], random: np.random.Generator
) -> Purity:
    """Match values with classes so that as many images as possible agree.

    Parameters
    ----------
    values, classes : int ndarray of shape (n,)
        The value and the class of each image, from 0.
    size : (int, int)
        How many values and classes there are.
    random : Generator
        Permutes the images.

    Notes
    -----
    The matching is that of Kuhn (1955), by scipy. It is made anew for each permutation, so that the choice of the best one is
    inside the null.
    """
    counts = _counts(values, classes, size)
    matched = _matched(counts)
    null = [_agreeing(_counts(random.permutation(values), classes, size)) for _ in range(PERMUTATIONS)]
    count = len(values) or np.nan
    return Purity(counts, matched, _agreeing(counts) / count, float(np.mean(null)) / count)


def _counts(values: NDArray[np.integer], classes: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.int64]:
    pairs = values.astype(np.int64) * size[1] + classes
    return np.bincount(pairs, minlength=size[0] * size[1]).reshape(size).astype(np.int64)


def _matched(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.optimize import linear_sum_assignment

    matched = np.full(len(counts), -1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched[rows] = columns
    return matched


def _agreeing(counts: NDArray[np.int64]) -> int:
    matched = _matched(counts)
    known = matched >= 0
    return int(counts[np.flatnonzero(known), matched[known]].sum())


__all__ = ["PERMUTATIONS", "Purity", "purity"]
