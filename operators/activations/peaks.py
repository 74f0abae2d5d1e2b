"""Where units fire most strongly: the strongest views of each unit in groups of views, with the place of the maximum.

A map without a spatial maximum, all its values equal, points nowhere: its first position would be a constant and look
steady. Such views are counted separately, and dropped unless a released protocol keeps them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: View number of a place that is not filled.
NO_VIEW = -1


@njit(cache=True, nogil=True)
def _is_constant(values: NDArray[np.int16]) -> bool:
    same = 1
    while same < len(values) and values[same] == values[0]:
        same += 1
    return same == len(values)


@njit(cache=True, nogil=True)
def _first_of(values: NDArray[np.int16], pattern: np.int16) -> int:
    for position in range(len(values)):
        if values[position] == pattern:
            return position
    return 0


@njit(cache=True, nogil=True)
def _rank_of(view: int, maximum: float, views: NDArray[np.int32], maxima: NDArray[np.float32]) -> int:
    """Return the rank of a view among the kept, or their number if it is not among the strongest."""
    rank = len(views)
    while rank > 0:
        above = maxima[rank - 1]
        if views[rank - 1] != NO_VIEW and (above > maximum or (above == maximum and views[rank - 1] < view)):
            break
        rank -= 1
    return rank


@njit(cache=True, nogil=True)
def _shift(row: NDArray[np.generic], rank: int) -> None:
    for place in range(len(row) - 1, rank, -1):
        row[place] = row[place - 1]


@njit(cache=True, nogil=True)
def _add(
    patterns: NDArray[np.int16], maxima: NDArray[np.float32], peaks: NDArray[np.int16], views: NDArray[np.int32],
    first: NDArray[np.int64], stratum: NDArray[np.int32], keep_constant: bool,
    view: NDArray[np.int32], maximum: NDArray[np.float32], position: NDArray[np.int32], constant: NDArray[np.int64],
) -> None:  # fmt: skip
    last = view.shape[2] - 1
    for image in range(len(views)):
        if first[image] == first[image + 1]:
            continue
        for unit in range(patterns.shape[1]):
            values, strength = patterns[image, unit], maxima[image, unit]
            is_constant = _is_constant(values)
            place = np.int64(-1)
            for entry in range(first[image], first[image + 1]):
                s = stratum[entry]
                constant[unit, s] += is_constant
                weak = view[unit, s, last] != NO_VIEW and strength < maximum[unit, s, last]
                if weak or (is_constant and not keep_constant):
                    continue
                rank = _rank_of(views[image], strength, view[unit, s], maximum[unit, s])
                if rank > last:
                    continue
                if place < 0:
                    place = _first_of(values, peaks[image, unit])
                for row in (view[unit, s], position[unit, s]):
                    _shift(row, rank)
                _shift(maximum[unit, s], rank)
                view[unit, s, rank], maximum[unit, s, rank], position[unit, s, rank] = views[image], strength, place


@dataclass
class Peaks:
    """The M strongest views of U units in S strata, best first, ties by lower view; merges in any order.

    Attributes
    ----------
    view : int32 ndarray of shape (U, S, M)
        Numbers of the views, `NO_VIEW` after the last.
    maximum : float32 ndarray of shape (U, S, M)
        Maximum of the unit's map.
    position : int32 ndarray of shape (U, S, M)
        First map position of the maximum, row-major.
    constant : int64 ndarray of shape (U, S)
        Views seen whose maps have no spatial maximum, kept or not.
    """

    view: NDArray[np.int32]
    maximum: NDArray[np.float32]
    position: NDArray[np.int32]
    constant: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int, strata: int, keep: int) -> Self:
        """Return the strongest among no views."""
        shape = units, strata, keep
        return cls(
            np.full(shape, NO_VIEW, np.int32),
            np.full(shape, -np.inf, np.float32),
            np.zeros(shape, np.int32),
            np.zeros(shape[:2], np.int64),
        )

    def __add__(self, other: Self) -> "Peaks":
        """Merge with the strongest of other views."""
        keep = self.view.shape[2]
        view = np.concatenate([self.view, other.view], axis=2)
        maximum = np.concatenate([self.maximum, other.maximum], axis=2)
        position = np.concatenate([self.position, other.position], axis=2)
        order = np.lexsort((view, -maximum, view == NO_VIEW), axis=2)[:, :, :keep]
        return Peaks(
            np.take_along_axis(view, order, 2),
            np.take_along_axis(maximum, order, 2),
            np.take_along_axis(position, order, 2),
            self.constant + other.constant,
        )


def add_to_peaks(
    peaks: Peaks,
    activations: NDArray[np.float16],
    maxima: NDArray[np.float16],
    views: NDArray[np.int64],
    first: NDArray[np.int64],
    stratum: NDArray[np.int32],
    *,
    keep_constant: bool = False,
) -> None:
    """Take in a block of n views in place.

    Parameters
    ----------
    peaks : Peaks
        The strongest so far.
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps, without NaN and negative zero.
    maxima : float16 ndarray of shape (n, U)
        Maximum of each map.
    views : int32 ndarray of shape (n,)
        Numbers of the views.
    first : int64 ndarray of shape (n + 1,)
        View i belongs to the strata ``stratum[first[i]:first[i + 1]]``.
    stratum : int32 ndarray of shape (m,)
        Strata of the views.
    keep_constant : bool
        Keep views whose maps have no spatial maximum, at position 0.
    """
    images, units, height, width = activations.shape
    patterns = np.ascontiguousarray(activations).view(np.int16).reshape(images, units, height * width)
    half = np.ascontiguousarray(maxima, np.float16)
    _add(
        patterns, half.astype(np.float32), half.view(np.int16), views.astype(np.int32), first, stratum, keep_constant,
        peaks.view, peaks.maximum, peaks.position, peaks.constant,
    )  # fmt: skip
