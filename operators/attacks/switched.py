"""Which units change where an attack changed the class, beside noise of equal length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A unit is on where its maximum is above this quantile of its maxima.
QUANTILE = 0.75


@dataclass(frozen=True)
class Switches:
    """What n views say of U units; every array has the shape (U,).

    Attributes
    ----------
    views : int
        Views [n].
    shift, size, noise_size : float64 ndarray
        Mean change of the maximum after the attack, mean size of that change, and of the change in noise, in standard
        deviations of the unit's maxima; NaN without views, or where these are all the same.
    larger : float64 ndarray
        Share of views that the attack changes more than the noise does, ties counting half; NaN without views.
    level : float32 ndarray
        Maximum above which the unit is on.
    on : int32 ndarray
        Views on which it is on before.
    off_after, off_in_noise : int32 ndarray
        Of these, those on which it is off after the attack, and in noise.
    on_after, on_in_noise : int32 ndarray
        Views on which it is off before, and on after the attack, and in noise.
    """

    views: int
    shift: NDArray[np.float64]
    size: NDArray[np.float64]
    noise_size: NDArray[np.float64]
    larger: NDArray[np.float64]
    level: NDArray[np.float32]
    on: NDArray[np.int32]
    off_after: NDArray[np.int32]
    off_in_noise: NDArray[np.int32]
    on_after: NDArray[np.int32]
    on_in_noise: NDArray[np.int32]


def switched(maxima: NDArray[np.float32], under: NDArray[np.float32]) -> Switches:
    """Compare maxima of units before and after an attack.

    Parameters
    ----------
    maxima : float32 ndarray of shape (views, U)
        On all views of the data set, at least one: what a unit's usual range is.
    under : float32 ndarray of shape (3, n, U)
        On the views that were attacked: before, after, and in noise as long as the attack.

    Returns
    -------
    Switches
    """
    level = np.quantile(maxima, QUANTILE, axis=0, method="higher").astype(np.float32)
    deviation = maxima.std(axis=0, dtype=np.float64)
    before, after, noise = under.astype(np.float64)
    by_attack, by_noise = after - before, noise - before
    more = (np.abs(by_attack) > np.abs(by_noise)) + 0.5 * (np.abs(by_attack) == np.abs(by_noise))
    on, on_after, on_in_noise = under > level
    return Switches(
        views=under.shape[1],
        shift=_mean(by_attack, deviation),
        size=_mean(np.abs(by_attack), deviation),
        noise_size=_mean(np.abs(by_noise), deviation),
        larger=_mean(more, np.ones(len(level))),
        level=level,
        on=_count(on),
        off_after=_count(on & ~on_after),
        off_in_noise=_count(on & ~on_in_noise),
        on_after=_count(~on & on_after),
        on_in_noise=_count(~on & on_in_noise),
    )


def most_changed(
    maxima: NDArray[np.float32], under: NDArray[np.float32], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the units that an attack changes most on each view.

    Parameters
    ----------
    maxima, under : float32 ndarray
        As of `switched`.
    most : int
        Units of a view, at most.

    Returns
    -------
    units : int64 ndarray of shape (n, m)
        The most changed first, of equal ones the lower; of units whose maxima are all the same none.
    changes : float64 ndarray of shape (2, n, m)
        Their changes after the attack and in noise, in standard deviations.
    """
    deviation = maxima.std(axis=0, dtype=np.float64)
    live = np.flatnonzero(deviation > 0)
    before, after, noise = under[:, :, live].astype(np.float64)
    changes = np.stack([after - before, noise - before]) / deviation[live]
    order = np.argsort(-np.abs(changes[0]), axis=1, kind="stable")[:, :most]
    return live[order], np.take_along_axis(changes, order[None], axis=2)


def _mean(values: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(values):
        return np.full(len(unit), np.nan)
    return np.asarray(np.divide(values.mean(axis=0), unit, out=np.full(len(unit), np.nan), where=unit > 0))


def _count(which: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.asarray(which.sum(axis=0), np.int32)


__all__ = ["QUANTILE", "Switches", "most_changed", "switched"]
