"""From tallies to findings: IoU, association, lift, detectors (Bau et al. 2017; Zhang & Zhu 2018, section 6.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.tally import (
    ASSOCIATED,
    CROSS,
    INTERSECTION,
    INTERSECTION_UNION,
    SQUARED_INTERSECTION,
    Tally,
)

#: IoU above which a unit detects a concept (Bau et al. 2017, section 2.3).
DETECTOR_IOU = 0.04

#: Effective images below which a standard error is meaningless.
_FEWEST_EFFECTIVE_IMAGES = 5


@dataclass(frozen=True)
class Scores:
    """Every unit against every concept; each field is an array of shape (U, C).

    Attributes
    ----------
    intersection, activated, labelled : int64
        I, A and G of the data-set IoU, in mask pixels.
    iou : float64
        I / (A + G - I); 0 where the union is empty.
    association : float64
        Share of the concept's images with IoU > 0.04, P(f,k); NaN for a concept in no image.
    lift : float64
        I over its expectation if activations and labels kept their places but not their images; NaN where that is 0.
    effective_images : float64
        (sum I)^2 / sum I^2: how many images carry the intersection; 0 where I is 0.
    standard_error : float64
        Of the IoU as a ratio of sums over images; NaN under 5 effective images.
    """

    intersection: NDArray[np.int64]
    activated: NDArray[np.int64]
    labelled: NDArray[np.int64]
    iou: NDArray[np.float64]
    association: NDArray[np.float64]
    lift: NDArray[np.float64]
    effective_images: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def _divide(numerator: NDArray[np.generic], denominator: NDArray[np.generic], empty: float) -> NDArray[np.float64]:
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def score(tally: Tally, labels: Labels, category: NDArray[np.int64]) -> Scores:
    """Score U units against C concepts.

    Parameters
    ----------
    tally : Tally
        Sums of the units over all images.
    labels : Labels
        Sums of the concepts over the same images.
    category : int64 ndarray of shape (C,)
        Number of each concept's primary category: A counts only images that have it (Bau et al. 2017, equation 1).

    Returns
    -------
    Scores
        The full matrix.
    """
    pairs = tally.pairs
    intersection = pairs[:, :, INTERSECTION]
    activated = tally.activated(category)[:, :, 0]
    labelled = np.broadcast_to(labels.concepts[:, 1], intersection.shape)
    union = activated + labelled - intersection
    effective = _divide(intersection.astype(np.float64) ** 2, pairs[:, :, SQUARED_INTERSECTION], 0.0)
    return Scores(
        intersection,
        activated,
        labelled,
        _divide(intersection, union, 0.0),
        _divide(pairs[:, :, ASSOCIATED], labels.concepts[None, :, 0], np.nan),
        _lift(tally, labels),
        effective,
        _standard_error(tally, labels, category, union, effective),
    )


def _lift(tally: Tally, labels: Labels) -> NDArray[np.float64]:
    # Counts below 2^53 in float64: the product is exact, whatever its order.
    units = tally.coverage().reshape(len(tally.pairs), -1).astype(np.float64)
    concepts = labels.coverage.reshape(len(labels.coverage), -1).astype(np.float64)
    expected = units @ concepts.T / max(labels.views, 1)
    return _divide(tally.pairs[:, :, INTERSECTION], expected, np.nan)


def _standard_error(
    tally: Tally,
    labels: Labels,
    category: NDArray[np.int64],
    union: NDArray[np.int64],
    effective: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Linearise the ratio R = sum I / sum U over the n images of a category.

    Its variance is n / (n - 1) sum (I - R U)^2 / (sum U)^2.
    On an image that holds the concept U = A + L - I, on another image of its category U = A, so that
    sum U^2 = sum A^2 + sum L^2 + 2 sum A L - 2 sum I U - sum I^2.
    """
    pairs = tally.pairs.astype(np.float64)
    squared_union = (
        tally.activated(category)[:, :, 1]
        + labels.concepts[None, :, 2]
        + 2.0 * pairs[:, :, CROSS]
        - 2.0 * pairs[:, :, INTERSECTION_UNION]
        - pairs[:, :, SQUARED_INTERSECTION]
    )
    ratio = _divide(pairs[:, :, INTERSECTION], union, 0.0)
    residual = (
        pairs[:, :, SQUARED_INTERSECTION] - 2.0 * ratio * pairs[:, :, INTERSECTION_UNION] + ratio**2 * squared_union
    )
    images = labels.category_images[category].astype(np.float64)
    scale = _divide(images, images - 1.0, np.nan)
    error = np.sqrt(np.maximum(scale * residual, 0.0)) / np.maximum(union, 1)
    return np.where(effective >= _FEWEST_EFFECTIVE_IMAGES, error, np.nan)


@dataclass(frozen=True)
class Best:
    """The best concept of each unit; arrays of shape (U,); concept -1 where none has a score above 0."""

    concept: NDArray[np.int64]
    score: NDArray[np.float64]


def best_concept(scores: NDArray[np.float64], eligible: NDArray[np.bool_], *, rank: int = 0) -> Best:
    """Return the eligible concept of highest score, or of the given rank after it; ties go to the lower concept.

    Parameters
    ----------
    scores : float64 ndarray of shape (U, C)
        Such as `Scores.iou`; NaN never wins.
    eligible : bool ndarray of shape (C,)
        Concepts that may label a unit.
    rank : int
        0 is the best, 1 the runner-up.
    """
    open_to = np.where(eligible & ~np.isnan(scores), scores, -1.0)
    if rank >= open_to.shape[1]:
        return Best(np.full(len(scores), -1), np.zeros(len(scores)))
    concept = np.argsort(-open_to, axis=1, kind="stable")[:, rank]
    value = np.take_along_axis(open_to, concept[:, None], 1)[:, 0]
    return Best(np.where(value > 0, concept, -1), np.maximum(value, 0.0))


def strongest_concepts(scores: NDArray[np.float64], eligible: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return the concepts of highest score of each unit, in order of their numbers: eligible ones first, then others.

    Parameters
    ----------
    scores : float64 ndarray of shape (U, C)
        Such as `Scores.iou`, not negative; of equal scores the lower concept is taken, as `best_concept` does.
    eligible : bool ndarray of shape (C,)
        Concepts that may label a unit.
    count : int
        How many; all C if there are no more.

    Returns
    -------
    int64 ndarray of shape (U, min(count, C))
        Those of unit 0, of unit 1, ...; the unit's best eligible concept is always among them.
    """
    order = np.argsort(-np.where(eligible, scores + 1, np.nan_to_num(scores) - 1), axis=1, kind="stable")
    return np.sort(order[:, :count], axis=1)


def unit_status(
    minimum: NDArray[np.float32], maximum: NDArray[np.float32], threshold: NDArray[np.float32]
) -> NDArray[np.str_]:
    """Return live, dead (never above zero, or constant) or saturated (nothing is above T) for each unit."""
    dead = (maximum <= 0) | (minimum == maximum)
    return np.where(dead, "dead", np.where(threshold >= maximum, "saturated", "live"))


def unique_top1(best: Iterable[tuple[str | None, float]]) -> int:
    """Count distinct top concepts over the cut-off, given each unit's best (concept, IoU), as the paper does."""
    return len({concept for concept, iou in best if iou > DETECTOR_IOU})


def unique_per_category(best: Iterable[Sequence[tuple[str, str, float]]]) -> dict[str, int]:
    """Count, per category, distinct best concepts over the cut-off; the released plotting code's "unique detectors".

    Parameters
    ----------
    best : iterable of sequences of (category, concept, IoU)
        For each unit, its best concept in every category; a unit may count in several.
    """
    found = {(category, concept) for unit in best for category, concept, iou in unit if iou > DETECTOR_IOU}
    categories = sorted({category for category, _ in found})
    return {category: sum(1 for c, _ in found if c == category) for category in categories}
