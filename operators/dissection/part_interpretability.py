"""Part interpretability of the interpretable-CNN paper: the part that a unit meets most reliably.

On one image a unit meets part k if the intersection over union of its mask and the part's is above 0.2; P(f, k) is the
share of the images that show the part on which it does, and P_f the largest of a unit's (Zhang, Wu & Zhu 2018, section 5).
The mask is the survey's, from `operators.dissection.survey_masks`, with T at P(x > T) = 0.005.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated, pixels_labelled
from filterscope.operators.dissection.masks import MaskBlock

#: IoU on one image above which a unit meets a part.
PART_IOU = Fraction(1, 5)


@dataclass
class Matches:
    """How U units meet P parts, over the images seen so far.

    Attributes
    ----------
    matched : int64 ndarray of shape (U, P)
        Images on which the IoU is above the cut-off.
    total, largest : float64 ndarray of shape (U, P)
        Sum of the IoU over the images that show the part, in the order of the images, and the largest.
    """

    matched: NDArray[np.int64]
    total: NDArray[np.float64]
    largest: NDArray[np.float64]

    @classmethod
    def empty(cls, units: int, parts: int) -> Self:
        """Return the matches of no images."""
        return cls(np.zeros((units, parts), np.int64), np.zeros((units, parts)), np.zeros((units, parts)))


@njit(cache=True, nogil=True)
def _match(
    drawn: Activated, masks: MaskBlock, category: NDArray[np.int64], numerator: int, denominator: int,
    matched: NDArray[np.int64], total: NDArray[np.float64], largest: NDArray[np.float64],
) -> None:  # fmt: skip
    parts = len(category)
    lost = np.zeros(2 * parts + category.max() + 1, np.int64)
    for image in range(len(drawn.first) - 1):
        begin, end = masks.first[image], masks.first[image + 1]
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            unit = drawn.unit[pair]
            for region in range(begin, end):
                if masks.concept[region] >= parts:
                    lost[masks.concept[region]] = pixels_labelled(drawn, pair, masks, region)
            for label in range(begin, end):
                part = masks.concept[label]
                if part >= parts:
                    continue
                common = pixels_labelled(drawn, pair, masks, label)
                known = drawn.area[pair] - lost[parts + part] - lost[2 * parts + category[part]]
                union = known + masks.area[label] - common
                matched[unit, part] += common * denominator > numerator * union
                total[unit, part] += common / union
                largest[unit, part] = max(largest[unit, part], common / union)
            for region in range(begin, end):
                if masks.concept[region] >= parts:
                    lost[masks.concept[region]] = 0


def add_matches(
    matches: Matches,
    drawn: Activated,
    masks: MaskBlock,
    iou: Fraction = PART_IOU,
    category: NDArray[np.int64] | None = None,
) -> None:
    """Add how each unit meets each part on the next images, in place.

    Parameters
    ----------
    matches : Matches
        Of the images before; in their order, so that the sums are the same however blocks are cut.
    drawn : Activated
        Masks of the units on n images.
    masks : MaskBlock
        Parts of the same n images, and ignored regions.
    iou : Fraction
        Cut-off, compared exactly in integers; strictly above.
    category : int64 ndarray of shape (parts,), optional
        Number of each part's category, which ignored regions may be of; by default all have the same.
    """
    category = np.zeros(matches.matched.shape[1], np.int64) if category is None else category
    _match(drawn, masks, category, iou.numerator, iou.denominator, matches.matched, matches.total, matches.largest)


def present(masks: MaskBlock, parts: int) -> NDArray[np.int64]:
    """Return on how many images of a block each part has a mask pixel, int64 of shape (parts,)."""
    return np.bincount(masks.concept, minlength=parts)[:parts].astype(np.int64)


def interpretability(
    matched: NDArray[np.int64], images: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each unit's part k of largest P(f, k), and P_f; ties go to the lower part, -1 and 0 where all are 0.

    Parameters
    ----------
    matched : int64 ndarray of shape (U, parts)
        `Matches.matched`, over all images.
    images : int64 ndarray of shape (parts,)
        Images that show each part; parts in none never win.
    """
    share = np.divide(matched, images, out=np.zeros(matched.shape), where=images > 0)
    best = share.max(axis=1, initial=0.0)
    part = share.argmax(axis=1) if share.shape[1] else np.zeros(len(share), np.int64)
    return np.where(best > 0, part, -1), best
