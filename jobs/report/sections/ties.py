"""Frames of ties as a graph: columns of nodes, those that others are tied to on the right."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from filterscope.jobs.report.sections.graph_layout import layered

#: Ties of a picture; pixels between nodes of a column, and between columns.
TIES, APART, ACROSS = 60, 24, 320


@dataclass(frozen=True)
class Tied:
    """A graph as it is drawn.

    Attributes
    ----------
    nodes : list of (str, int, int, bool)
        Name, x and y of each in pixels, and whether its name stands to the left of it.
    lines : list of (int, int, int, int, float, str)
        Both ends of each tie, its width in pixels, and what it says.
    width, height : int
        Of the picture.
    """

    nodes: list[tuple[str, int, int, bool]]
    lines: list[tuple[int, int, int, int, float, str]]
    width: int
    height: int


def tied(frame: pl.DataFrame) -> Tied:
    """Lay out ties: a row each, with the columns `from`, `to` and `weight`, of which the first 60 are drawn."""
    ties = frame.head(TIES)
    names = list(dict.fromkeys([*ties["from"].to_list(), *ties["to"].to_list()]))
    number = {name: index for index, name in enumerate(names)}
    pairs = [(number[a], number[b]) for a, b in ties.select("from", "to").iter_rows()]
    column = _depths(len(names), pairs)
    along = layered(column, pairs)
    order = np.lexsort((along[:, 1], along[:, 0]))  # where a row is folded, neighbours stand one below the other
    x, y = np.array(column) * ACROSS, np.zeros(len(names), np.int64)
    for here in set(column):
        mine = [node for node in order.tolist() if column[node] == here]
        y[mine] = np.arange(len(mine)) * APART
    heights = [int(y[np.array(column) == here].max()) for here in column]
    tallest = max(heights, default=0)
    y += (tallest - np.array(heights, np.int64)) // 2
    heaviest = max((weight or 0.0 for weight in ties["weight"]), default=0.0) or 1.0
    lines = [
        (
            int(x[a]),
            int(y[a]),
            int(x[b]),
            int(y[b]),
            1 + 3 * max(weight or 0.0, 0.0) / heaviest,
            f"{names[a]} – {names[b]}",
        )
        for (a, b), weight in zip(pairs, ties["weight"], strict=True)
    ]
    nodes = [(name, int(x[n]), int(y[n]), column[n] == 0) for n, name in enumerate(names)]
    return Tied(nodes, lines, max(column, default=0) * ACROSS, tallest)


def _depths(nodes: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Return the length of the longest way of ties that leads to each node; ways round in a circle are cut."""
    depth = [0] * nodes
    for _ in range(nodes):
        longer = [(b, depth[a] + 1) for a, b in pairs if a != b and depth[b] < depth[a] + 1 < nodes]
        if not longer:
            break
        for node, wanted in longer:
            depth[node] = max(depth[node], wanted)
    return depth


__all__ = ["TIES", "Tied", "tied"]
