"""Rows about explanatory graphs: speed beside plain numpy, growth with images and nodes, a graph of VGG-16's size."""

from collections.abc import Iterator

import numpy as np

from filterscope.operators.explanatory_graph.edges import Candidates
from filterscope.operators.explanatory_graph.entities import entities_of, grid_of
from filterscope.operators.explanatory_graph.learning import learn
from filterscope.operators.explanatory_graph.settings import Settings, largest_deformation, nodes_per_filter
from tests.bench.row import Row, interleaved
from tests.planted.parts import EXTENT, planted_layer, planted_parts

#: Layers of VGG-16 in the published graph, from the top: rows and columns of the maps, filters.
_VGG = ((14, 512), (14, 512), (28, 512), (28, 512))
_IMAGES, _ITERATIONS = 200, 20
#: Filters that are measured of each layer.
_SLICE = 2


def _problem(images: int, cells: int, uppers: int, filters: int = 1) -> list[tuple[object, ...]]:
    """Return the arguments of `learn` for planted filters, with random upper nodes."""
    rng = np.random.default_rng(0)
    parts = planted_parts(images, 0)
    layer = planted_layer(parts, cells, filters, 0, 0)
    grid = grid_of((cells, cells), EXTENT, layer.centre, layer.stride)
    learning = np.ones(images, bool)
    moved = (parts[:, rng.integers(0, 3, uppers)] + rng.normal(0, 8, (images, uppers, 2))).astype(np.float32)
    candidates = Candidates(moved, rng.uniform(6, 30, uppers), learning) if uppers else None
    largest = largest_deformation(cells, cells, layer.stride[0])
    shared = grid, EXTENT, nodes_per_filter(cells, cells), largest
    return [
        (entities_of(layer.maps[:, unit], 1.0, grid), *shared, unit, learning, candidates) for unit in range(filters)
    ]


def _learned(problems: list[tuple[object, ...]], iterations: int, count: int | None = None) -> None:
    for problem in problems:
        entities, grid, extent, nodes, *rest = problem
        learn(entities, grid, extent, count or nodes, *rest, Settings(iterations=iterations))  # type: ignore[arg-type]


def _plain(entities: np.ndarray, grid: object, mu: np.ndarray, half: float, upper: np.ndarray) -> None:
    """Carry out one iteration with numpy: image by image and node by node, arrays over positions and over images."""
    images, nodes, s = len(entities), len(mu), 33.6
    y, x = grid.y[:, None], grid.x[None]  # type: ignore[attr-defined]
    position, score = np.empty((images, nodes, 2)), np.empty((images, nodes))
    for image in range(images):
        p = []
        for node in range(nodes):
            oy, ox = y - mu[node, 0], x - mu[node, 1]
            inside = (abs(oy) <= half) & (abs(ox) <= half)
            p.append(np.where(inside, np.exp(-(oy**2 + ox**2) / (2 * s**2)) / (2 * np.pi * s**2), 0))
        mixture = sum(p) + 0.1 * np.mean([q.sum() for q in p])
        for node in range(nodes):
            oy, ox = y - mu[node, 0], x - mu[node, 1]
            f = p[node] * entities[image]
            g = f / mixture
            _ = g.sum(), (g * oy).sum(), (g * ox).sum(), (g * (oy**2 + ox**2)).sum(), f.sum()
            best = np.unravel_index(f.argmax(), f.shape)
            position[image, node], score[image, node] = (y[best[0], 0], x[0, best[1]]), f[best]
    moved, above = position - position.mean(axis=0), upper - upper.mean(axis=0)
    for node in range(nodes):
        for other in range(upper.shape[1]):
            squared = ((moved[:, node] - above[:, other]) ** 2).sum(axis=1)
            _ = (score[:, node] * np.exp(-squared / (2 * squared.mean()))).sum()


def graph_vs_numpy() -> Iterator[Row]:
    """Compare an iteration over one planted filter of 40 nodes, 80 images and 100 upper nodes with plain numpy."""
    (problem,) = _problem(80, 28, 100)
    entities, grid, candidates = problem[0], problem[1], problem[7]
    mu = np.random.default_rng(0).uniform(0, 224, (40, 2))
    own, more, plain = interleaved(
        [
            lambda: _learned([problem], 2),
            lambda: _learned([problem], 12),
            lambda: _plain(entities, grid, mu, 33.6, candidates.position),  # type: ignore[attr-defined, arg-type]
        ],
        repeats=3,
    )
    iteration = (more - own) / 10
    peer = f"plain numpy {1e3 * plain:.0f} ms"
    yield Row("graph_vs_numpy", 1e3 * iteration, "ms an iteration", peer, plain / iteration, ">= 50")


def graph_linear() -> Iterator[Row]:
    """Compare twice the images, and twice the nodes, with once."""
    few, many = _problem(200, 28, 0), _problem(400, 28, 0)
    once, images, nodes = interleaved(
        [lambda: _learned(few, 10), lambda: _learned(many, 10), lambda: _learned(few, 10, 80)], repeats=3
    )
    yield Row(
        "graph_linear.images", images, "s for twice the images", f"{once:.3f} s for once", images / once, "<= 2.2"
    )
    yield Row("graph_linear.nodes", nodes, "s for twice the nodes", f"{once:.3f} s for once", nodes / once, "<= 2.2")


def graph_of_vgg16() -> Iterator[Row]:
    """Project a graph of VGG-16's size from two filters of every layer: 200 images, 20 iterations, 600 candidates."""
    seconds = 0.0
    for depth, (cells, filters) in enumerate(_VGG):
        slice_ = _problem(_IMAGES, cells, 600 if depth else 0, _SLICE)
        (taken,) = interleaved([lambda part=slice_: _learned(part, _ITERATIONS)], repeats=1)  # type: ignore[misc]
        seconds += taken / _SLICE * filters
    peer = f"{seconds / 60:.1f} core minutes"
    yield Row("graph_of_vgg16", seconds / 2 / 60, "minutes on 2 cores", peer, None, "< 30")
