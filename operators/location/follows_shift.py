"""Whether a unit looks at the content: two crops of one object, some pixels apart, and how far its strongest position moves.

The content of the second crop lies some pixels from where it lies in the first. A unit that follows it moves as far, one that
stays where it is in the crop, at its centre or at a border, does not; no landmark is needed to tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Shortest and longest way that the content moves, as shares of the input's side: 24 and 64 of 224 pixels.
SHORTEST, LONGEST = 24 / 224, 64 / 224
#: Pairs of corners that are drawn until one is as far apart as asked.
_TRIES = 64


def corners_of(view: int, seed: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the top left corners, y and x, of two crops of a view inside a canvas larger by `margin(side)`.

    Parameters
    ----------
    view : int
        Number of the view; the same view and seed always give the same corners.
    seed : int
        64 bits.
    side : int
        Shorter side of the network input.
    """
    bits = np.random.PCG64([view, seed]).random_raw(4 * _TRIES) >> np.uint64(11)
    room = margin(side)
    drawn = (bits.astype(np.int64) % (room + 1)).reshape(_TRIES, 2, 2)
    apart = np.hypot(*(drawn[:, 1] - drawn[:, 0]).T)
    fits = np.flatnonzero((apart >= SHORTEST * side) & (apart <= max(LONGEST * side, 1)))
    first, second = drawn[fits[0]] if len(fits) else np.array([[0, 0], [0, room]])
    return first, second


def margin(side: int) -> int:
    """Return by how many pixels the canvas is larger than an input of a side."""
    return max(round(LONGEST * side), 1)


@dataclass(frozen=True)
class Following:
    """How far U units follow the content; NaN where there is no result.

    Attributes
    ----------
    views : int64 ndarray of shape (U,)
        Pairs of crops measured.
    slope : float64 ndarray of shape (U,)
        1: as far as the content; 0: not at all.
    error : float64 ndarray of shape (U,)
        Its standard error over source images.
    """

    views: NDArray[np.int64]
    slope: NDArray[np.float64]
    error: NDArray[np.float64]


def follows_shift(
    moved: NDArray[np.float64], content: NDArray[np.float64], images: NDArray[np.int64], fewest: int
) -> Following:
    """Regress how far units move on how far the content does: sum <moved, content> / sum |content|^2.

    Parameters
    ----------
    moved : float64 ndarray of shape (n, U, 2)
        y and x by which each unit's strongest position moves from the first crop to the second, in input pixels; NaN where
        one of them has no spatial maximum.
    content : float64 ndarray of shape (n, 2)
        The same of the content.
    images : int64 ndarray of shape (n,)
        Source images: crops of one are not independent.
    fewest : int
        Pairs under which there is no result.
    """
    there = ~np.isnan(moved[..., 0])
    squares = np.where(there, (content**2).sum(axis=1)[:, None], 0.0)
    products = np.where(there, (np.nan_to_num(moved) * content[:, None]).sum(axis=2), 0.0)
    views, total = there.sum(axis=0), squares.sum(axis=0)
    enough = views >= max(fewest, 2)
    some = np.where(enough, total, 1.0)
    slope = products.sum(axis=0) / some
    _, image = np.unique(images, return_inverse=True)
    residual = np.zeros((image.max(initial=-1) + 1, moved.shape[1]))
    np.add.at(residual, image, products - slope * squares)
    error = np.sqrt((residual**2).sum(axis=0)) / some
    return Following(views, np.where(enough, slope, np.nan), np.where(enough, error, np.nan))


__all__ = ["LONGEST", "SHORTEST", "Following", "corners_of", "follows_shift", "margin"]
