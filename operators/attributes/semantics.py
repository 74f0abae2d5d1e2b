"""What the images that drive a direction of a layer have in common: one label, and one look in the eyes of another network.

A unit is a direction along an axis. Whether axes are special is told by directions that are none: random ones, and the axes of
rotated bases.

References
----------
Szegedy et al. 2014, Intriguing Properties of Neural Networks, section 3.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _orthogonalise(rows: NDArray[np.float64], block: int) -> None:
    """Make rows unit vectors, each orthogonal to the rows before it in its block; twice, for rounding."""
    for row in range(len(rows)):
        for _ in range(2):
            for before in range(row - row % block, row):
                along = 0.0
                for unit in range(rows.shape[1]):
                    along += rows[row, unit] * rows[before, unit]
                for unit in range(rows.shape[1]):
                    rows[row, unit] -= along * rows[before, unit]
        length = 0.0
        for unit in range(rows.shape[1]):
            length += rows[row, unit] ** 2
        for unit in range(rows.shape[1]):
            rows[row, unit] /= np.sqrt(length)


def directions(units: int, count: int, seed: int, *, rotated: bool) -> NDArray[np.float64]:
    """Draw unit vectors, uniform over the sphere.

    Parameters
    ----------
    units : int
        Units of the layer, U.
    count : int
        How many, D.
    seed : int
        Seed.
    rotated : bool
        Whether they are axes of one random rotation, at most U, and so orthogonal to each other; else they are independent.

    Returns
    -------
    float64 ndarray of shape (D, U)

    Raises
    ------
    ValueError
        If a rotation is asked for more axes than it has.
    """
    if rotated and count > units:
        raise ValueError(f"a rotation of {units} units has no {count} axes")
    drawn = np.random.Generator(np.random.PCG64(seed)).standard_normal((count, units))
    _orthogonalise(drawn, max(count, 1) if rotated else 1)
    return drawn


@njit(cache=True, nogil=True)
def _project(responses: NDArray[np.float64], axes: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    """Sum over units one after the other, so that equal images have equal sums whatever the processor."""
    for axis in range(len(axes)):
        for unit in range(len(responses)):
            for image in range(responses.shape[1]):
                found[axis, image] += axes[axis, unit] * responses[unit, image]


def strongest(
    responses: NDArray[np.float64], axes: NDArray[np.float64], group: NDArray[np.int64], top: int
) -> NDArray[np.int64]:
    """Return the images that drive each direction most, at most one of each group.

    Parameters
    ----------
    responses : float64 ndarray of shape (n, U)
        Response of each unit to each image.
    axes : float64 ndarray of shape (D, U)
        The directions.
    group : int64 ndarray of shape (n,)
        Group of each image, such as the video that it is from.
    top : int
        How many, M.

    Returns
    -------
    int64 ndarray of shape (D, min(M, groups))
        Numbers of the images, that of the largest projection first; of equal ones the earlier first.
    """
    projected = np.zeros((len(axes), len(responses)))
    _project(np.ascontiguousarray(responses.T, np.float64), np.ascontiguousarray(axes), projected)
    groups, which = np.unique(group, return_inverse=True)
    found = np.zeros((len(axes), min(top, len(groups))), np.int64)
    for row, values in zip(found, projected, strict=True):
        order = np.argsort(-values, kind="stable")
        _, first = np.unique(which[order], return_index=True)
        row[:] = order[np.sort(first)[: len(row)]]
    return found


def purity(chosen: NDArray[np.int64], label: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the label that most of the images of each direction have, and the share of them that has it.

    Parameters
    ----------
    chosen : int64 ndarray of shape (D, M)
        Numbers of the images of each direction, as `strongest` returns them; at least one.
    label : int64 ndarray of shape (n,)
        Label of each image, from 0.

    Returns
    -------
    int64 and float64 ndarray of shape (D,)
        Of equally frequent labels the first.
    """
    times = np.zeros((len(chosen), int(label.max()) + 1), np.int64)
    np.add.at(times, (np.arange(len(chosen))[:, None], label[chosen]), 1)
    return times.argmax(axis=1), times.max(axis=1) / chosen.shape[1]


def coherence(chosen: NDArray[np.int64], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean cosine of the features of two of the images of each direction.

    Parameters
    ----------
    chosen : int64 ndarray of shape (D, M)
        Numbers of the images of each direction, at least two.
    features : float64 ndarray of shape (n, F)
        Features of each image; their mean over the images is subtracted.

    Returns
    -------
    float64 ndarray of shape (D,)
        A feature vector that equals the mean has cosine 0 with all.
    """
    away = features - features.mean(axis=0)
    length = np.sqrt(np.square(away).sum(axis=1, keepdims=True))
    unit = np.divide(away, length, out=np.zeros(away.shape), where=length > 0)
    own, pairs = np.square(unit).sum(axis=1), chosen.shape[1] * (chosen.shape[1] - 1)
    # the square of a sum of vectors holds each pair twice, and each vector with itself
    return np.array([(np.square(unit[row].sum(axis=0)).sum() - own[row].sum()) / pairs for row in chosen])


def by_chance(group: NDArray[np.int64], top: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Draw images at random, at most one of each group: int64 of shape (draws, min(M, groups))."""
    random = np.random.Generator(np.random.PCG64(seed))
    return np.concatenate(
        [strongest(random.random((len(group), 1)), np.ones((1, 1)), group, top) for _ in range(draws)]
    )


__all__ = ["by_chance", "coherence", "directions", "purity", "strongest"]
