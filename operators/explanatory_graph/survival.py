"""Nodes of one filter that found the same pattern, and nodes that found more than chance."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Shuffles of a filter's peaks, and the quantile of their best share that a node must exceed.
SHUFFLES, QUANTILE = 100, 0.99
#: Strongest peaks of a map that count.
PEAKS = 6


def merge_nodes(
    position: NDArray[np.float32],
    score: NDArray[np.float32],
    deformation: NDArray[np.float64],
    recorded: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return for each of K nodes the node it is merged into, itself if none.

    Nodes are visited by recorded mass, largest first. A node joins the first kept one from which its distance, averaged
    over images with the product of both scores as weight, is below the larger deformation of the two.

    Parameters
    ----------
    position, score : float32 ndarrays of shape (I, K, 2) and (I, K)
        Inference on the learning views.
    deformation, recorded : float64 ndarrays of shape (K,)
        Deformation in pixels and mass of the nodes.
    """
    into, kept = np.arange(len(deformation)), list[int]()
    place, weight = position.astype(np.float64), score.astype(np.float64)
    for node in np.argsort(-recorded, kind="stable").tolist():
        for other in kept:
            both = np.sqrt(weight[:, node] * weight[:, other])
            apart = np.sqrt(((place[:, node] - place[:, other]) ** 2).sum(axis=1))
            near = (both * apart).sum() / both.sum() if both.sum() > 0 else apart.mean()
            if near < max(deformation[node], deformation[other]):
                into[node] = other
                break
        else:
            kept.append(node)
    return into


@njit(cache=True, nogil=True)
def _peaks(maps: NDArray[np.float32], cells: NDArray[np.int32], weights: NDArray[np.float64]) -> None:
    height, width = maps.shape[1:]
    for image in range(len(maps)):
        values = maps[image]
        for i in range(height):
            for j in range(width):
                value = values[i, j]
                if value <= 0.0:
                    continue
                highest = True
                for u in range(max(i - 1, 0), min(i + 2, height)):
                    for v in range(max(j - 1, 0), min(j + 2, width)):
                        # of equal neighbours the first is the peak
                        later = u * width + v > i * width + j
                        highest &= (u == i and v == j) or (value >= values[u, v] if later else value > values[u, v])
                if highest:
                    rank = PEAKS
                    while rank > 0 and weights[image, rank - 1] < value:
                        rank -= 1
                    for place in range(PEAKS - 1, rank, -1):
                        weights[image, place], cells[image, place] = weights[image, place - 1], cells[image, place - 1]
                    if rank < PEAKS:
                        weights[image, rank], cells[image, rank] = value, i * width + j


def strongest_peaks(maps: NDArray[np.floating]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the row-major cells of the strongest local maxima above zero of maps (I, height, width), and their values.

    Both have shape (I, 6), best first; where there are fewer the value is 0.
    """
    cells, weights = np.zeros((len(maps), PEAKS), np.int32), np.zeros((len(maps), PEAKS))
    _peaks(np.ascontiguousarray(maps, np.float32), cells, weights)
    return cells, weights


@njit(cache=True, nogil=True)
def _shares(
    y: NDArray[np.float64], x: NDArray[np.float64], weights: NDArray[np.float64],
    place: NDArray[np.float64], reach: NDArray[np.float64], found: NDArray[np.float64],
) -> None:  # fmt: skip
    for image in range(weights.shape[0]):
        for peak in range(weights.shape[1]):
            weight = weights[image, peak]
            if weight > 0.0:
                for node in range(len(reach)):
                    dy, dx = y[image, peak] - place[image, node, 0], x[image, peak] - place[image, node, 1]
                    if abs(dy) <= reach[node] and abs(dx) <= reach[node]:
                        found[node] += weight


@njit(cache=True, nogil=True)
def _best_box(sums: NDArray[np.float64], rows: int, columns: int) -> float:
    """Return the largest sum of a box of cells from its table of sums from the corner."""
    height, width = sums.shape
    best = 0.0
    for i in range(height - rows):
        for j in range(width - columns):
            total = sums[i + rows, j + columns] - sums[i, j + columns] - sums[i + rows, j] + sums[i, j]
            best = max(best, total)
    return best


@njit(cache=True, nogil=True)
def _chance(
    weights: NDArray[np.float64], drawn: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64],
    shape: tuple[int, int], found: NDArray[np.float64],
) -> None:  # fmt: skip
    sums = np.zeros((shape[0] + 1, shape[1] + 1))
    sums[:] = 0.0
    for image in range(weights.shape[0]):
        for peak in range(weights.shape[1]):
            cell = drawn[image, peak]
            sums[cell // shape[1] + 1, cell % shape[1] + 1] += weights[image, peak]
    for i in range(1, shape[0] + 1):
        for j in range(1, shape[1] + 1):
            sums[i, j] += sums[i - 1, j] + sums[i, j - 1] - sums[i - 1, j - 1]
    for node in range(len(rows)):
        found[node] = _best_box(sums, rows[node], columns[node])


def peak_shares(
    cells: NDArray[np.int32],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
    centre: tuple[float, float],
    stride: tuple[float, float],
    place: NDArray[np.float64],
    deformation: NDArray[np.float64],
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of a filter's peaks, weighted by their values, near each node, and what chance gives.

    Near is inside a square about where the node is expected, of one deformation and half a cell to each side. By chance,
    every peak is equally likely in any cell; the value is the 99th percentile, over 100 shuffles, of the best such square
    anywhere, since nodes were learned where peaks are dense.

    Parameters
    ----------
    cells, weights : ndarrays of shape (I, P)
        Peaks on the learning views, from `strongest_peaks`.
    shape : (int, int)
        Rows and columns of the maps.
    centre, stride : (float, float)
        Centre of the first cell and pixels between cells, for y and x.
    place : float64 ndarray of shape (I, K, 2)
        Where the nodes are expected.
    deformation : float64 ndarray of shape (K,)
        Of the nodes, in pixels.
    seed : int
        Of the filter.
    """
    total = weights.sum()
    share, chance = np.zeros(len(deformation)), np.ones((SHUFFLES, len(deformation)))
    if total > 0:
        y, x = centre[0] + cells // shape[1] * stride[0], centre[1] + cells % shape[1] * stride[1]
        _shares(y, x, weights, place, deformation + max(stride) / 2, share)
        rows, columns = (
            np.minimum(np.ceil(2 * deformation / step + 1).astype(np.int64), cells_of)
            for step, cells_of in zip(stride, shape, strict=True)
        )
        bits = np.random.PCG64(seed)
        for draw in range(SHUFFLES):
            drawn = (bits.random_raw(weights.size) >> np.uint64(11)).astype(np.int64) % (shape[0] * shape[1])
            _chance(weights, drawn.reshape(weights.shape), rows, columns, shape, chance[draw])
        share, chance = share / total, chance / total
    return share, np.quantile(chance, QUANTILE, axis=0, method="inverted_cdf")


__all__ = ["merge_nodes", "peak_shares", "strongest_peaks"]
