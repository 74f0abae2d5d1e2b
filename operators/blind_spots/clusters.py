"""Thousands of clusters: k-means, started as k-means++ does.

Everything is summed in the order of the points, so that clusters are the same wherever they are computed.

References
----------
D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, 2007, section 2.2.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Rounds of assignment at most.
ROUNDS = 25
#: Points, and centres, whose distances are computed side by side.
_POINTS, _CENTRES = 512, 256


@njit(cache=True, nogil=True)
def _nearer(columns: NDArray[np.float32], centre: NDArray[np.float32], nearest: NDArray[np.float32]) -> None:
    """Lower the squared distance of every point to its nearest centre; columns are axes, (d, n)."""
    axes, count = columns.shape
    away = np.empty(_POINTS, np.float32)
    for start in range(0, count, _POINTS):
        here = min(_POINTS, count - start)
        away[:here] = 0
        for axis in range(axes):
            place = centre[axis]
            for point in range(here):
                off = columns[axis, start + point] - place
                away[point] += off * off
        for point in range(here):
            nearest[start + point] = min(nearest[start + point], away[point])


@njit(cache=True, nogil=True)
def _seed(columns: NDArray[np.float32], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose points as centres: each with probability by squared distance to those before."""
    count = columns.shape[1]
    seeds, nearest = np.empty(len(draws), np.int64), np.full(count, np.inf, np.float32)
    seeds[0] = min(int(draws[0] * count), count - 1)
    for seed in range(1, len(draws)):
        _nearer(columns, columns[:, seeds[seed - 1]].copy(), nearest)
        total = 0.0
        for point in range(count):
            total += nearest[point]
        goal, reached, chosen = draws[seed] * total, 0.0, count - 1
        for point in range(count):
            reached += nearest[point]
            if reached > goal:
                chosen = point
                break
        seeds[seed] = chosen
    return seeds


@njit(cache=True, nogil=True)
def _assign(
    points: NDArray[np.float32], centres: NDArray[np.float32], labels: NDArray[np.int64], nearest: NDArray[np.float32]
) -> int:
    """Give every point to the nearest centre, the first of equals; centres are columns, (d, k). Return how many moved."""
    count, axes = points.shape
    moved, away = 0, np.empty(_CENTRES, np.float32)
    nearest[:] = np.inf
    before = labels.copy()
    for start in range(0, centres.shape[1], _CENTRES):
        here = min(_CENTRES, centres.shape[1] - start)
        block = centres[:, start : start + here].copy()
        for point in range(count):
            away[:here] = 0
            for axis in range(axes):
                place = points[point, axis]
                for centre in range(here):
                    off = block[axis, centre] - place
                    away[centre] += off * off
            for centre in range(here):
                if away[centre] < nearest[point]:
                    nearest[point] = away[centre]
                    labels[point] = start + centre
    for point in range(count):
        moved += labels[point] != before[point]
    return moved


@njit(cache=True, nogil=True)
def _centre(points: NDArray[np.float32], labels: NDArray[np.int64], centres: NDArray[np.float32]) -> None:
    """Move every centre to the mean of its points; one without any stays."""
    axes, clusters = centres.shape
    sums, sizes = np.zeros((clusters, axes)), np.zeros(clusters, np.int64)
    for point in range(len(points)):
        sizes[labels[point]] += 1
        for axis in range(axes):
            sums[labels[point], axis] += points[point, axis]
    for cluster in range(clusters):
        for axis in range(axes):
            if sizes[cluster]:
                centres[axis, cluster] = sums[cluster, axis] / sizes[cluster]


@dataclass(frozen=True)
class Clusters:
    """What k-means found.

    Attributes
    ----------
    labels : int64 ndarray of shape (n,)
        Cluster of each point: 0 holds most points, ties to the one with the first point.
    inertia : float
        Sum of squared distances of the points to the centres of their clusters.
    """

    labels: NDArray[np.int64]
    inertia: float


def cluster(points: NDArray[np.float32], count: int, seed: int) -> Clusters:
    """Cluster points by k-means, from one start.

    Parameters
    ----------
    points : float32 ndarray of shape (n, d)
        At least one point.
    count : int
        Clusters, at most n; fewer are found where points coincide.
    seed : int
        The start is drawn by it.
    """
    points = np.ascontiguousarray(points)
    # raw bits alone are the same in all versions of numpy
    draws = (np.random.PCG64(seed).random_raw(count) >> np.uint64(11)) * 2.0**-53
    centres = np.ascontiguousarray(points[_seed(np.ascontiguousarray(points.T), draws)].T)
    labels, nearest = np.full(len(points), -1), np.empty(len(points), np.float32)
    for _ in range(ROUNDS):
        if not _assign(points, centres, labels, nearest):
            break
        _centre(points, labels, centres)
    _, first, number, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return Clusters(rank[number], float(nearest.sum(dtype=np.float64)))


__all__ = ["ROUNDS", "Clusters", "cluster"]
