"""Activations as densities of entities over input pixels: F(x) of the paper, on a grid that all nodes of a filter share.

The released code evaluates each node's own 6 x 6 positions; here positions are the map's cells and, where cells are far
apart, points between them. All nodes then explain the same positions, so that the mixture has one likelihood, its
denominators are sums in closed form, and the cost is linear in the number of nodes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.explanatory_graph.settings import BANDWIDTH, BANDWIDTH_CELLS, PITCH


@dataclass(frozen=True)
class Grid:
    """Where the entities of a layer may lie.

    Attributes
    ----------
    y, x : float64 ndarrays of shape (G,) and (H,)
        Rows and columns in input pixels, 0 at the centre of the first pixel.
    rows, columns : float64 ndarrays of shape (G, height) and (H, width)
        Weights of the map's rows and columns at each; every row sums to 1.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]


def grid_of(
    shape: tuple[int, int], extent: tuple[int, int], centre: tuple[float, float], stride: tuple[float, float]
) -> Grid:
    """Lay a grid over maps.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the maps.
    extent : (int, int)
        Height and width of the network input.
    centre, stride : (float, float)
        Centre of the first position's receptive field and pixels between neighbours, for y and x.
    """
    (y, rows), (x, columns) = (_axis(*of_axis) for of_axis in zip(shape, extent, centre, stride, strict=True))
    return Grid(y, x, rows, columns)


def _axis(cells: int, extent: int, centre: float, stride: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parts = max(1, math.ceil(stride / (PITCH * extent)))
    places = centre + np.arange((cells - 1) * parts + 1) * (stride / parts)
    width = max(BANDWIDTH * extent, BANDWIDTH_CELLS * stride)
    away = np.abs(places[:, None] - (centre + np.arange(cells) * stride)) / width
    weights = np.where(away <= 3, np.exp(-(away**2) / 2), 0.0)
    return places.astype(np.float64), weights / weights.sum(axis=1, keepdims=True)


@njit(cache=True, nogil=True)
def _smooth(
    maps: NDArray[np.float16], scale: float, rows: NDArray[np.float64], columns: NDArray[np.float64],
    entities: NDArray[np.float32],
) -> None:  # fmt: skip
    images, height, width = maps.shape
    half = np.zeros((height, len(columns)))
    for image in range(images):
        for row in range(height):
            for x in range(len(columns)):
                total = 0.0
                for column in range(width):
                    value = float(maps[image, row, column])
                    if value > 0.0:
                        total += columns[x, column] * value
                half[row, x] = total * scale
        for y in range(len(rows)):
            for x in range(len(columns)):
                total = 0.0
                for row in range(height):
                    total += rows[y, row] * half[row, x]
                entities[image, y, x] = total


def entities_of(maps: NDArray[np.floating], deviation: float, grid: Grid) -> NDArray[np.float32]:
    """Return F on the grid for one filter on I images: float32 of shape (I, G, H).

    Parameters
    ----------
    maps : float ndarray of shape (I, height, width)
        Maps of the filter; what is not above zero is no entity.
    deviation : float
        Its standard deviation on negative images, by which activations of filters become comparable [beta].
    grid : Grid
        Where to evaluate.
    """
    entities = np.empty((len(maps), len(grid.y), len(grid.x)), np.float32)
    scale = 1.0 / deviation if deviation > 0 else 0.0
    _smooth(np.ascontiguousarray(maps, np.float32), scale, grid.rows, grid.columns, entities)
    return entities


@njit(cache=True, nogil=True)
def _sums(maps: NDArray[np.float32], sums: NDArray[np.float64]) -> None:
    for image in range(maps.shape[0]):
        for unit in range(maps.shape[1]):
            total = squares = 0.0
            for value in maps[image, unit].flat:
                total += value
                squares += value * value
            sums[unit, 0] += maps.shape[2] * maps.shape[3]
            sums[unit, 1] += total
            sums[unit, 2] += squares


def add_to_sums(sums: NDArray[np.float64], maps: NDArray[np.floating]) -> None:
    """Add count, sum and sum of squares of the maps (n, U, height, width) of U units to `sums` (U, 3), image by image."""
    _sums(np.ascontiguousarray(maps, np.float32), sums)


def deviations(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each unit from what `add_to_sums` gathered; 0 of a unit that never varies."""
    count = np.maximum(sums[:, 0], 1)
    variance = sums[:, 2] / count - (sums[:, 1] / count) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float64)


__all__ = ["Grid", "add_to_sums", "deviations", "entities_of", "grid_of"]
