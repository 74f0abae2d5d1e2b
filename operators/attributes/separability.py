"""How well a unit's responses tell the images that have an attribute from those that have not.

The area under the ROC curve is the share of pairs, an image with the attribute and one without, of which the first has the
larger response; ties count half. It follows from sums of ranks, so that one sort of a unit serves all attributes and all
permutations, and these are products of matrices of whole numbers, which are exact in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.statistics.permutation import Strata


@dataclass(frozen=True)
class Separability:
    """A attributes and U units, as stated and under B permutations of the images.

    Attributes
    ----------
    auc : float64 ndarray of shape (A, U)
        Area under the ROC curve: 1 where every image with the attribute has a larger response than any without, 0 where
        every one has a smaller, 0.5 where a unit cannot tell them apart or no image has, or none lacks, the attribute.
    d_prime : float64 ndarray of shape (A, U)
        Difference of the mean responses over the root of the mean variance; NaN where responses do not vary or no image has,
        or none lacks, the attribute.
    score : float64 ndarray of shape (A, U)
        |AUC - 0.5| in standard deviations that it would have over permutations of independent images.
    null_score : float64 ndarray of shape (B, A, U)
        The same in each permutation.
    auc_by_chance : float64 ndarray of shape (A, U)
        Mean over the permutations of 0.5 + |AUC - 0.5|; 0.5 without permutations.
    null_best : float64 ndarray of shape (B, A)
        Largest 0.5 + |AUC - 0.5| of the units in each permutation.
    """

    auc: NDArray[np.float64]
    d_prime: NDArray[np.float64]
    score: NDArray[np.float64]
    null_score: NDArray[np.float64]
    auc_by_chance: NDArray[np.float64]
    null_best: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _rank(
    responses: NDArray[np.float32], order: NDArray[np.int64], slot: NDArray[np.int64],
    ranks: NDArray[np.float64], ties: NDArray[np.float64],
) -> None:  # fmt: skip
    """Rank the images that have a slot: twice the mean rank of those of equal responses, from 1; and sums of t^3 - t."""
    for unit in range(len(responses)):
        below, place, images = 0, 0, responses.shape[1]
        while place < images:
            value, end, equal = responses[unit, order[unit, place]], place, 0
            while end < images and responses[unit, order[unit, end]] == value:
                equal += slot[order[unit, end]] >= 0
                end += 1
            for here in range(place, end):
                if slot[order[unit, here]] >= 0:
                    ranks[unit, slot[order[unit, here]]] = 2 * below + equal + 1
            below += equal
            ties[unit] += np.float64(equal) ** 3 - equal
            place = end


@njit(cache=True, nogil=True)
def _moments(
    responses: NDArray[np.float32], values: NDArray[np.int8], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> None:
    """Find mean and variance of the responses without (0) and with (1) each attribute, in the order of the images."""
    images, attributes = values.shape
    count = np.zeros((2, attributes))
    for image in range(images):
        for attribute in range(attributes):
            if values[image, attribute] >= 0:
                count[values[image, attribute], attribute] += 1
    for unit in range(len(responses)):
        for image in range(images):
            for attribute in range(attributes):
                if values[image, attribute] >= 0:
                    mean[values[image, attribute], attribute, unit] += np.float64(responses[unit, image])
        for kind in range(2):
            for attribute in range(attributes):
                mean[kind, attribute, unit] /= max(count[kind, attribute], 1)
        for image in range(images):
            for attribute in range(attributes):
                kind = values[image, attribute]
                if kind >= 0:
                    away = np.float64(responses[unit, image]) - mean[kind, attribute, unit]
                    variance[kind, attribute, unit] += away * away
        for kind in range(2):
            for attribute in range(attributes):
                variance[kind, attribute, unit] /= max(count[kind, attribute], 1)


def d_primes(responses: NDArray[np.float32], values: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return d', float64 of shape (A, U); arguments as of `separability`."""
    mean, variance = np.zeros((2, 2, values.shape[1], len(responses)))
    _moments(np.ascontiguousarray(responses), np.ascontiguousarray(values), mean, variance)
    spread = np.sqrt((variance[0] + variance[1]) / 2)
    both = ((values == 0).any(axis=0) & (values == 1).any(axis=0))[:, None] & (spread > 0)
    found = np.full(spread.shape, np.nan)
    np.divide(mean[1] - mean[0], spread, out=found, where=both)
    return found


def _away(
    ranks: NDArray[np.float64], ties: NDArray[np.float64], has: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUC - 0.5, and that over its standard deviation, of shape (A, U) each.

    `ranks` and `ties` as of `_rank`, of k images; `has` is 1 or 0, of shape (k, A). All numbers are whole and far below 2^53.
    """
    images = len(has)
    positive = has.sum(axis=0)[:, None]
    pairs = positive * (images - positive)
    # twice the rank sum less what it is if the two kinds do not differ: 2 * pairs * (AUC - 0.5)
    above = (ranks @ has).T - positive * (images + 1)
    away = np.divide(above, 2 * pairs, out=np.zeros(above.shape), where=pairs > 0)
    unequal = images + 1 - ties / max(images * (images - 1), 1)
    variance = np.divide(unequal, 12 * pairs, out=np.zeros(above.shape), where=pairs > 0)
    score = np.divide(np.abs(away), np.sqrt(variance), out=np.zeros(above.shape), where=variance > 1e-12)
    return away, score


def separability(
    responses: NDArray[np.float32], values: NDArray[np.int8], group: NDArray[np.int64], seeds: Sequence[int]
) -> Separability:
    """Compare the responses of units with attributes of n images, and with those of images in another order.

    Parameters
    ----------
    responses : float32 ndarray of shape (U, n)
        Response of each unit to each image.
    values : int8 ndarray of shape (n, A)
        1 where an image has an attribute, 0 where it has not, -1 where that is not known.
    group : int64 ndarray of shape (n,)
        Group of each image; groups change places as wholes.
    seeds : sequence of int
        A seed for each permutation.

    Returns
    -------
    Separability
        Images of which an attribute is not known are left out for it, and change places with none.

    Notes
    -----
    Attributes that are known of the same images share each permutation, so that what they have in common stays.

    References
    ----------
    Hanley & McNeil 1982, Radiology 143:29-36; variance with ties: Lehmann 1975, Nonparametrics, section 1.4.
    """
    attributes, units = values.shape[1], len(responses)
    responses = np.ascontiguousarray(responses)
    order = np.argsort(responses, axis=1, kind="stable")
    away, score = np.zeros((2, attributes, units))
    null_score, by_chance = np.zeros((len(seeds), attributes, units)), np.zeros((attributes, units))
    null_best = np.full((len(seeds), attributes), 0.5)
    patterns, which = np.unique(values >= 0, axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        (own,), (images,) = np.nonzero(which.ravel() == number), np.nonzero(known)
        slot = np.full(len(known), -1)
        slot[images] = np.arange(len(images))
        ranks, ties = np.zeros((units, len(images))), np.zeros(units)
        _rank(responses, order, slot, ranks, ties)
        has = (values[np.ix_(images, own)] == 1).astype(np.float64)
        away[own], score[own] = _away(ranks, ties, has)
        strata = Strata(np.arange(len(images)), group[images], np.ones((len(images), 1), bool))
        for draw, seed in enumerate(seeds):
            drawn, null_score[draw, own] = _away(ranks, ties, has[strata.permuted(seed)])
            by_chance[own] += np.abs(drawn) / len(seeds)
            null_best[draw, own] += np.abs(drawn).max(axis=1, initial=0.0)
    return Separability(0.5 + away, d_primes(responses, values), score, null_score, 0.5 + by_chance, null_best)


__all__ = ["Separability", "d_primes", "separability"]
