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

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.dissection.tally import _popcount

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
    drawn: Activated, masks: MaskBlock, numerator: int, denominator: int, matched: NDArray[np.int64],
    total: NDArray[np.float64], largest: NDArray[np.float64],
) -> None:  # fmt: skip
    for image in range(len(drawn.first) - 1):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            words, span, unit = drawn.words[pair], drawn.span[pair], drawn.unit[pair]
            for label in range(masks.first[image], masks.first[image + 1]):
                bitmap, common, part = masks.bitmap[label], drawn.area[pair], masks.concept[label]
                if bitmap >= 0:
                    common = np.int64(0)
                    for word in range(len(words)):
                        low = max(masks.band[label, 0], span[word, 0])
                        for row in range(low, min(masks.band[label, 1], span[word, 1])):
                            common += _popcount(words[word, row] & masks.words[bitmap, word, row])
                union = drawn.area[pair] + masks.area[label] - common
                matched[unit, part] += common * denominator > numerator * union
                total[unit, part] += common / union
                largest[unit, part] = max(largest[unit, part], common / union)


def add_matches(matches: Matches, drawn: Activated, masks: MaskBlock, iou: Fraction = PART_IOU) -> None:
    """Add how each unit meets each part on the next images, in place.

    Parameters
    ----------
    matches : Matches
        Of the images before; in their order, so that the sums are the same however blocks are cut.
    drawn : Activated
        Masks of the units on n images.
    masks : MaskBlock
        Parts of the same n images.
    iou : Fraction
        Cut-off, compared exactly in integers; strictly above.
    """
    _match(drawn, masks, iou.numerator, iou.denominator, matches.matched, matches.total, matches.largest)


def present(masks: MaskBlock, parts: int) -> NDArray[np.int64]:
    """Return on how many images of a block each part has a mask pixel, int64 of shape (parts,)."""
    return np.bincount(masks.concept, minlength=parts).astype(np.int64)


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
