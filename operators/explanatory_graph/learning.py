"""Learning the nodes of one filter: expectation, maximisation and edges in turn, on all images at once."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.explanatory_graph.edges import Candidates, choose_edges, expected_moves
from filterscope.operators.explanatory_graph.entities import Grid
from filterscope.operators.explanatory_graph.expectation import Centres, Sums, infer_positions, share_entities
from filterscope.operators.explanatory_graph.settings import (
    SMALLEST_DEFORMATION,
    START_DEVIATION,
    WINDOW_DEFORMATIONS,
    Settings,
)


@dataclass(frozen=True)
class Nodes:
    """The K nodes of one filter.

    Attributes
    ----------
    mu : float64 ndarray of shape (K, 2)
        Mean y and x, in input pixels.
    deformation : float64 ndarray of shape (K,)
        Deviation along an axis about where they are expected, in pixels [sigma].
    edges : int64 ndarray of shape (K, M)
        Their upper nodes, numbers of candidates; M is 0 in the top layer.
    """

    mu: NDArray[np.float64]
    deformation: NDArray[np.float64]
    edges: NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """What was learned of one filter.

    Attributes
    ----------
    nodes : Nodes
        After the last iteration.
    position, score : float32 ndarrays of shape (I, K, 2) and (I, K)
        Inference on every view.
    centres : Centres
        Where the nodes are expected on every view.
    sums : Sums
        Of the learning views.
    """

    nodes: Nodes
    position: NDArray[np.float32]
    score: NDArray[np.float32]
    centres: Centres
    sums: Sums


def first_nodes(grid: Grid, count: int, side: float, seed: int) -> Nodes:
    """Put nodes on distinct random cells of the map.

    Parameters
    ----------
    grid : Grid
        Of the layer.
    count : int
        Nodes, as many as cells at most.
    side : float
        Side of the input in pixels.
    seed : int
        Of the filter.
    """
    rows, columns = grid.rows.shape[1], grid.columns.shape[1]
    # raw bits alone are the same in all versions of numpy
    cells = np.argsort(np.random.PCG64(seed).random_raw(rows * columns), kind="stable")[:count]
    y, x = np.linspace(grid.y[0], grid.y[-1], rows), np.linspace(grid.x[0], grid.x[-1], columns)
    mu = np.stack([y[cells // columns], x[cells % columns]], axis=1)
    return Nodes(mu, np.full(len(cells), START_DEVIATION * side), np.zeros((len(cells), 0), np.int64))


def centres_of(nodes: Nodes, upper: NDArray[np.float64] | None, deformation: NDArray[np.float64] | None, images: int,
               side: float, settings: Settings) -> Centres:  # fmt: skip
    """Return where nodes are expected on `images` views, by their edges to upper nodes (moves (U, I, 2)) if they have any."""
    half = np.minimum(settings.window * side, WINDOW_DEFORMATIONS * nodes.deformation)
    if upper is None or deformation is None or not nodes.edges.shape[1]:
        count = len(nodes.mu)
        still = np.broadcast_to(nodes.mu, (images, count, 2)).copy()
        return Centres(still, np.full(count, settings.window * side), np.ones((images, count)), half)
    delta, deviation, factor = expected_moves(nodes.edges, upper, deformation, settings.mode)
    return Centres(nodes.mu + delta, deviation, factor, half)


def maximise(nodes: Nodes, centres: Centres, sums: Sums, iteration: int, limits: tuple[float, float],
             extent: tuple[int, int], settings: Settings) -> Nodes:  # fmt: skip
    """Return the nodes after the M-step of an iteration, counted from 1, with deformations inside `limits`.

    The step is that of the filter's own smallest deviation. Nodes stay inside the input.
    """
    step = settings.step * (centres.deviation.min() / iteration**0.25) ** 2
    mu = nodes.mu + step * sums.offset / np.maximum(sums.mass, 1e-8)[:, None]
    mu = np.clip(mu, 0.0, np.asarray(extent, np.float64) - 1)
    if settings.mode == "release":
        variance, mass = sums.scattered, sums.recorded
    else:
        variance, mass = sums.spread, 2 * sums.mass
    found = np.sqrt(np.divide(variance, mass, out=np.square(nodes.deformation), where=mass > 0))
    return replace(nodes, mu=mu, deformation=np.clip(found, *limits))


def learn(
    entities: NDArray[np.float32],
    grid: Grid,
    extent: tuple[int, int],
    count: int,
    largest: float,
    seed: int,
    learning: NDArray[np.bool_],
    candidates: Candidates | None,
    settings: Settings,
) -> Learned:
    """Learn the nodes of one filter, and infer them on every view.

    Parameters
    ----------
    entities : float32 ndarray of shape (I, G, H)
        F on every view.
    grid : Grid
        Its positions.
    extent : (int, int)
        Height and width of the input.
    count : int
        Nodes to begin with.
    largest : float
        Largest deformation, in pixels.
    seed : int
        Of the filter.
    learning : bool ndarray of shape (I,)
        Views to learn from.
    candidates : Candidates, optional
        Nodes of the layer above; none for the top layer.
    settings : Settings
        Mode, iterations, edges, step.
    """
    side = float(max(extent))
    limits = SMALLEST_DEFORMATION * largest, largest
    nodes = first_nodes(grid, count, side, seed)
    seen, images = entities[learning], int(learning.sum())
    moved = None if candidates is None or not len(candidates.deformation) else candidates.moved()
    upper = None if moved is None else np.ascontiguousarray(moved[:, learning])
    sigma = None if candidates is None else candidates.deformation
    centres = centres_of(nodes, None, None, images, side, settings)
    for iteration in range(1, settings.iterations + 1):
        sums = share_entities(seen, grid, centres)
        nodes = maximise(nodes, centres, sums, iteration, limits, extent, settings)
        centres = centres_of(nodes, upper, sigma, images, side, settings)
        if upper is not None:
            position, score = infer_positions(seen, grid, centres)
            nodes = replace(nodes, edges=choose_edges(position, score, upper, settings.edges))
            centres = centres_of(nodes, upper, sigma, images, side, settings)
    sums = share_entities(seen, grid, centres)
    everywhere = centres_of(nodes, moved, sigma, len(entities), side, settings)
    position, score = infer_positions(entities, grid, everywhere)
    return Learned(nodes, position, score, everywhere, sums)


__all__ = ["Learned", "Nodes", "centres_of", "first_nodes", "learn", "maximise"]
