"""How many units would find a concept by chance: q values of best IoUs against those of permuted annotations.

Choosing the best of many concepts is inside the null, for the statistic of a unit is its best IoU on either side
(Storey & Tibshirani 2003, with a permutation null pooled over units).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Largest q value of a unit that is called significant.
FALSE_DISCOVERY_RATE = 0.05


@dataclass(frozen=True)
class Significance:
    """Live units of a layer against the null; U units.

    Attributes
    ----------
    q_value : float64 ndarray of shape (U,)
        Share of false ones among the units with an IoU as high, as the null has it.
    p_value : float64 ndarray of shape (U,)
        Share of the null's best IoUs as high, all units and permutations pooled, the unit's own counted in.
    calibrated_cutoff : float or None
        Smallest IoU of a unit with q <= 0.05.
    """

    q_value: NDArray[np.float64]
    p_value: NDArray[np.float64]
    calibrated_cutoff: float | None


def _as_high(values: NDArray[np.float64], cutoff: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the values at or above each cut-off."""
    return len(values) - np.searchsorted(np.sort(values), cutoff, side="left")


def significance(observed: NDArray[np.float64], null: NDArray[np.float64]) -> Significance:
    """Compare the best IoU of each live unit with those under permuted annotations.

    Parameters
    ----------
    observed : float64 ndarray of shape (U,)
        Best IoU over the eligible concepts.
    null : float64 ndarray of shape (B, U)
        The same in each permutation.

    Returns
    -------
    Significance
        With q(t) = mean number of null units at or above t / observed number at or above t, made monotone.

    Notes
    -----
    The images as annotated are one more permutation and enter the mean, as in any exact permutation test (Phipson &
    Smyth 2010): no q is below 1 / (B + 1). Without it, 5.2 to 5.9 % of 1,000 runs on permuted labels of real layers
    found a unit at q < 0.05; with it 3.6 to 4.1 %.
    """
    chance, found = _as_high(null.ravel(), observed), _as_high(observed, observed)
    ascending = np.argsort(observed, kind="stable")
    ratio = np.minimum((chance + found) / (len(null) + 1) / found, 1.0)
    q_value = np.empty(len(observed))
    # a unit is as good as the worst cut-off that it passes: the smallest ratio at or below its own IoU
    q_value[ascending] = np.minimum.accumulate(ratio[ascending])
    passing = observed[q_value <= FALSE_DISCOVERY_RATE]
    cutoff = float(passing.min()) if len(passing) else None
    return Significance(q_value, (chance + 1) / (null.size + 1), cutoff)


def expected_over(null: NDArray[np.float64], cutoff: float) -> float:
    """Return the mean number of units above a fixed cut-off in a permutation (float64, shape (B, U))."""
    return float((null > cutoff).sum() / max(len(null), 1))


def steadiness(
    coverage: NDArray[np.int32], pixels: NDArray[np.int64], category_images: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of a concept's pixels that stay labelled when the images of its category change places.

    Near 1 the concept lies alike in nearly all images, such as the nose of aligned faces, and a permutation of images
    cannot tell what is found from chance.

    Parameters
    ----------
    coverage : int32 ndarray of shape (C, rows, columns)
        In how many images each pixel is labelled.
    pixels : int64 ndarray of shape (C,)
        Labelled pixels of all images.
    category_images : int64 ndarray of shape (C,)
        Images that have the concept's category.
    """
    counts = coverage.astype(np.int64)
    kept = (counts * (counts - 1)).sum(axis=(1, 2))
    share = np.zeros(len(pixels))
    np.divide(kept, pixels * (category_images - 1), out=share, where=kept > 0)
    return share
