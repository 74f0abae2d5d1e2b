"""Does a label hold on images that had no part in choosing it? Two folds, held-out IoU and its bootstrap."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.dissection.tally import _popcount
from filterscope.operators.statistics.permutation import iou_of

#: Random words of 64 bits come in fours.
_PHILOX_WORDS = 4

#: 16-bit fractions below which a Poisson number of mean 1 is at most 0, 1, 2, ...
_POISSON = np.cumsum(np.exp(-1.0) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8])) * 65536


def random_words(seed: int, start: int, stop: int, words: int) -> NDArray[np.uint64]:
    """Return random bits of images [start, stop), uint64 of shape (stop - start, words), the same for any cut."""
    steps = -(-words // _PHILOX_WORDS)
    stream = np.random.Philox(key=seed, counter=start * steps)
    return stream.random_raw((stop - start) * steps * _PHILOX_WORDS).reshape(stop - start, steps * _PHILOX_WORDS)[
        :, :words
    ]


def bootstrap_weights(seed: int, start: int, stop: int, draws: int) -> NDArray[np.uint8]:
    """Return how often each image is drawn in each bootstrap sample, uint8 of shape (stop - start, draws).

    Numbers are Poisson of mean 1, so that they can be drawn image by image; a ratio of sums has the same distribution
    as under resampling with replacement (Chamandy et al. 2012).
    """
    fractions = random_words(seed, start, stop, -(-draws // 4)).astype("<u8", copy=False).view("<u2")[:, :draws]
    return np.searchsorted(_POISSON, fractions, side="right").astype(np.uint8)


@dataclass(frozen=True)
class Choice:
    """What each fold of images chooses for U units, and how that does on the other fold.

    Attributes
    ----------
    concept : int64 ndarray of shape (2, U)
        Best concept on each fold; -1 where none meets the unit.
    held_out : float64 ndarray of shape (2, U)
        IoU of that concept on the other fold; 0 where there is none.
    """

    concept: NDArray[np.int64]
    held_out: NDArray[np.float64]

    @classmethod
    def of(cls, intersection: NDArray[np.int64], activated: NDArray[np.int64], labelled: NDArray[np.int64]) -> Self:
        """Choose on each fold; ties go to the lower concept.

        Parameters
        ----------
        intersection, activated : int64 ndarray of shape (2, C, U)
            I and A of each fold.
        labelled : int64 ndarray of shape (2, C, 1)
            G of each fold.
        """
        iou = iou_of(intersection, activated, labelled)
        if iou.shape[1] == 0:
            return cls(np.full(iou.shape[::2], -1), np.zeros(iou.shape[::2]))
        best = iou.argmax(axis=1)
        chosen = np.take_along_axis(iou, best[:, None], 1)[:, 0] > 0
        held_out = np.take_along_axis(iou[::-1], best[:, None], 1)[:, 0]
        return cls(np.where(chosen, best, -1), np.where(chosen, held_out, 0.0))

    def replicates(self, label: NDArray[np.int64], cutoff: float) -> NDArray[np.bool_]:
        """Tell for which units both folds choose the label (int64, shape (U,)), and it passes the cut-off on both."""
        same = (self.concept == label).all(axis=0) & (label >= 0)
        return np.asarray(same & (self.held_out > cutoff).all(axis=0))


@njit(cache=True, nogil=True)
def _find(concept: NDArray[np.int32], begin: int, end: int, wanted: int) -> int:
    for labelled in range(begin, end):
        if concept[labelled] == wanted:
            return labelled
    return -1


@njit(cache=True, nogil=True)
def _overlap(
    drawn: Activated, masks: MaskBlock, images: NDArray[np.int64], chosen: NDArray[np.int64], common: NDArray[np.int64]
) -> None:
    for place in range(len(images)):
        begin, end = masks.first[images[place]], masks.first[images[place] + 1]
        for pair in range(drawn.first[place], drawn.first[place + 1]):
            unit = drawn.unit[pair]
            labelled = _find(masks.concept, begin, end, chosen[place, unit])
            if labelled < 0:
                continue
            bitmap, total = masks.bitmap[labelled], drawn.area[pair]
            if bitmap >= 0:
                total = 0
                for word in range(drawn.words.shape[1]):
                    for row in range(drawn.span[pair, word, 0], drawn.span[pair, word, 1]):
                        total += _popcount(drawn.words[pair, word, row] & masks.words[bitmap, word, row])
            common[place, unit] = total


def overlaps(
    drawn: Activated, masks: MaskBlock, images: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return |A ∩ L| on each image for one concept per unit, int64 of shape (n, U).

    Parameters
    ----------
    drawn : Activated
        Activated pixels of n images.
    masks : MaskBlock
        Labels of all images.
    images : int64 ndarray of shape (n,)
        Numbers of the images in `masks`.
    chosen : int64 ndarray of shape (n, U)
        Concept of each unit on each image, or -1.
    """
    common = np.zeros(chosen.shape, np.int64)
    _overlap(drawn, masks, images, np.ascontiguousarray(chosen), common)
    return common


def interval(sums: NDArray[np.int64], level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the percentile interval of a ratio of bootstrap sums.

    Parameters
    ----------
    sums : int64 ndarray of shape (2, draws, U)
        Sums of I and of the union in each bootstrap sample; a sample without any union counts as 0.
    level : float
        Share of the samples inside.

    Returns
    -------
    (float64 ndarray of shape (U,), float64 ndarray of shape (U,))
        Lower and upper limit.
    """
    ratio = np.divide(sums[0], sums[1], out=np.zeros(sums.shape[1:]), where=sums[1] > 0)
    tail = (1 - level) / 2
    low, high = np.quantile(ratio, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high
