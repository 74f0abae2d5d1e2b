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
        Share of false ones among the units with an IoU as high, according to the null.
    p_value : float64 ndarray of shape (U,)
        Share of the null's best IoUs as high, all units and permutations pooled, the unit's own counted in.
    calibrated_cutoff : float or None
        Smallest IoU of a unit with q <= 0.05.
    """

    q_value: NDArray[np.float64]
    p_value: NDArray[np.float64]
    calibrated_cutoff: float | None


def _as_high(ascending: NDArray[np.float64], cutoff: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the sorted values at or above each cut-off."""
    return len(ascending) - np.searchsorted(ascending, cutoff, side="left")


def _chance_share(draw: NDArray[np.float64], pooled: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Return, with each value of a draw as cut-off, the mean number of units as high in a draw over that in this one."""
    return np.minimum(_as_high(pooled, draw) / draws / _as_high(np.sort(draw), draw), 1.0)


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
    The images as annotated are one more draw and enter the mean, as in any exact permutation test (Phipson & Smyth 2010).
    No q is below the layer's own p value: the share of draws that, in the observed one's place, give a q as small. So
    unrelated labels give a q < 0.05 in at most 2 of 51 runs; the formula alone gives one in 5 to 6 of 100.
    """
    if not len(observed):
        return Significance(np.empty(0), np.empty(0), None)
    draws = np.vstack([observed[None], null])
    pooled = np.sort(draws.ravel())
    share = _chance_share(observed, pooled, len(draws))
    smallest = np.array([_chance_share(draw, pooled, len(draws)).min() for draw in draws])
    ascending, q_value = np.argsort(observed, kind="stable"), np.empty(len(observed))
    # a unit is as good as the best cut-off that it passes
    q_value[ascending] = np.minimum.accumulate(share[ascending])
    q_value = np.maximum(q_value, (smallest <= smallest[0]).mean())
    passing = observed[q_value <= FALSE_DISCOVERY_RATE]
    cutoff = float(passing.min()) if len(passing) else None
    p_value = (_as_high(np.sort(null.ravel()), observed) + 1) / (null.size + 1)
    return Significance(q_value, p_value, cutoff)


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
