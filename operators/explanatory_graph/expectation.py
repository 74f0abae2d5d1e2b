"""The E-step: how the nodes of one filter share its entities, as sums over images, and where each node is inferred.

Sums are added image by image in order, so that they do not depend on how images are cut into blocks.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.explanatory_graph.entities import Grid
from filterscope.operators.explanatory_graph.settings import DUMMY


@dataclass(frozen=True)
class Centres:
    """Where K nodes of a filter expect their entities on I images.

    Attributes
    ----------
    place : float64 ndarray of shape (I, K, 2)
        y and x in input pixels [mu + Delta].
    deviation : float64 ndarray of shape (K,)
        Standard deviation of the position about it, in pixels [s].
    factor : float64 ndarray of shape (I, K)
        How well the upper nodes agree on the image [lambda].
    half : float64 ndarray of shape (K,)
        Half the side of a node's window, in pixels [h].
    """

    place: NDArray[np.float64]
    deviation: NDArray[np.float64]
    factor: NDArray[np.float64]
    half: NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sums over images and positions q, with responsibilities r, probabilities p and offsets o from the centre.

    Attributes
    ----------
    mass : float64 ndarray of shape (K,)
        sum r F [A].
    offset : float64 ndarray of shape (K, 2)
        sum r F o / s^2 [B].
    spread : float64 ndarray of shape (K,)
        sum r F |o|^2.
    recorded : float64 ndarray of shape (K,)
        sum p F [S].
    scattered : float64 ndarray of shape (K,)
        sum p F |o|^2 [W].
    total : float
        sum F: mass with that of the dummy.
    likelihood : float
        sum F log(sum p + tau), over positions; 0 where the dummy is not fixed, for then it may fall.
    """

    mass: NDArray[np.float64]
    offset: NDArray[np.float64]
    spread: NDArray[np.float64]
    recorded: NDArray[np.float64]
    scattered: NDArray[np.float64]
    total: float
    likelihood: float


@njit(cache=True, nogil=True)
def _gaussian(
    places: NDArray[np.float64], centre: float, deviation: float, half: float, values: NDArray[np.float64]
) -> tuple[int, int, float]:
    """Write exp(-o^2 / 2 s^2) inside the window; return its first and last place and the sum."""
    first, last, total = len(places), len(places), 0.0
    scale = -0.5 / (deviation * deviation)
    for place in range(len(places)):
        away = places[place] - centre
        if abs(away) <= half:
            if first == len(places):
                first = place
            last = place + 1
            values[place] = np.exp(away * away * scale)
            total += values[place]
    return first, last, total


@njit(cache=True, nogil=True)
def _share(
    entities: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64], place: NDArray[np.float64],
    deviation: NDArray[np.float64], factor: NDArray[np.float64], half: NDArray[np.float64], frozen: float,
    sums: NDArray[np.float64], whole: NDArray[np.float64],
) -> None:  # fmt: skip
    images, nodes = place.shape[0], place.shape[1]
    rows, columns = np.empty((nodes, len(y))), np.empty((nodes, len(x)))
    span, height = np.empty((nodes, 4), np.int64), np.empty(nodes)
    mixture = np.empty((len(y), len(x)))
    for image in range(images):
        F = entities[image]
        mixture[:] = 0.0
        mean = 0.0
        for node in range(nodes):
            top, bottom, high = _gaussian(y, place[image, node, 0], deviation[node], half[node], rows[node])
            left, right, wide = _gaussian(x, place[image, node, 1], deviation[node], half[node], columns[node])
            span[node, 0], span[node, 1], span[node, 2], span[node, 3] = top, bottom, left, right
            height[node] = factor[image, node] / (2 * np.pi * deviation[node] ** 2)
            mean += height[node] * high * wide / nodes
            for i in range(top, bottom):
                row = height[node] * rows[node, i]
                for j in range(left, right):
                    mixture[i, j] += row * columns[node, j]
        dummy = DUMMY * mean if frozen < 0 else frozen
        for i in range(len(y)):
            for j in range(len(x)):
                mixture[i, j] += dummy
                if F[i, j] > 0.0:
                    whole[0] += F[i, j]
                    if frozen >= 0 and mixture[i, j] > 0.0:
                        whole[1] += F[i, j] * np.log(mixture[i, j])
        for node in range(nodes):
            mass = dy = dx = spread = recorded = scattered = 0.0
            for i in range(span[node, 0], span[node, 1]):
                row, oy = height[node] * rows[node, i], y[i] - place[image, node, 0]
                for j in range(span[node, 2], span[node, 3]):
                    f = F[i, j]
                    if f <= 0.0:
                        continue
                    ox = x[j] - place[image, node, 1]
                    away = oy * oy + ox * ox
                    p = row * columns[node, j]
                    if p <= 0.0:
                        continue
                    g = p / mixture[i, j] * f
                    mass += g
                    dy += g * oy
                    dx += g * ox
                    spread += g * away
                    recorded += p * f
                    scattered += p * f * away
            inverse = 1.0 / deviation[node] ** 2
            sums[0, node] += mass
            sums[1, node] += dy * inverse
            sums[2, node] += dx * inverse
            sums[3, node] += spread
            sums[4, node] += recorded
            sums[5, node] += scattered


def share_entities(entities: NDArray[np.float32], grid: Grid, centres: Centres, *, dummy: float | None = None) -> Sums:
    """Share the entities of one filter among its nodes and a dummy.

    The dummy's density on an image is a tenth of the mean, over the filter's nodes, of the sum of p over the window.

    Parameters
    ----------
    entities : float32 ndarray of shape (I, G, H)
        F on the grid.
    grid : Grid
        Its positions.
    centres : Centres
        Of K nodes on the I images.
    dummy : float, optional
        A fixed density of the dummy instead [tau].
    """
    sums, whole = np.zeros((6, len(centres.deviation))), np.zeros(2)
    frozen = -1.0 if dummy is None else dummy
    _share(
        entities, grid.y, grid.x, centres.place, centres.deviation, centres.factor, centres.half, frozen, sums, whole
    )
    mass, dy, dx, spread, recorded, scattered = sums
    return Sums(mass, np.stack([dy, dx], 1), spread, recorded, scattered, float(whole[0]), float(whole[1]))


@njit(cache=True, nogil=True)
def _infer(
    entities: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64], place: NDArray[np.float64],
    deviation: NDArray[np.float64], factor: NDArray[np.float64], half: NDArray[np.float64],
    position: NDArray[np.float32], score: NDArray[np.float32],
) -> None:  # fmt: skip
    row, column = np.empty(len(y)), np.empty(len(x))
    for image in range(place.shape[0]):
        for node in range(place.shape[1]):
            cy, cx = place[image, node, 0], place[image, node, 1]
            top, bottom, _ = _gaussian(y, cy, deviation[node], half[node], row)
            left, right, _ = _gaussian(x, cx, deviation[node], half[node], column)
            best, py, px = 0.0, cy, cx
            for i in range(top, bottom):
                for j in range(left, right):
                    value = row[i] * column[j] * entities[image, i, j]
                    if value > best:
                        best, py, px = value, y[i], x[j]
            position[image, node, 0], position[image, node, 1] = py, px
            score[image, node] = best * factor[image, node] / (2 * np.pi * deviation[node] ** 2)


def infer_positions(
    entities: NDArray[np.float32], grid: Grid, centres: Centres
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the position of largest p F of each node on each image, (I, K, 2), and that value, (I, K).

    The first such position counts; a node without any entity in its window is at its centre, with score 0.
    """
    position = np.empty(centres.place.shape, np.float32)
    score = np.empty(centres.factor.shape, np.float32)
    args = centres.place, centres.deviation, centres.factor, centres.half
    _infer(entities, grid.y, grid.x, *args, position, score)
    return position, score


__all__ = ["Centres", "Sums", "infer_positions", "share_entities"]
