"""Rows of an explanatory graph, from what was learned and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.operators.explanatory_graph.edges import Candidates
from filterscope.operators.explanatory_graph.learning import Learned
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.graph.crops import GraphViews
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import read_table
from filterscope.schemas.results import TABLES

#: Model, layer and category.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Found:
    """What was learned of one filter with K nodes on I views.

    Attributes
    ----------
    unit : int
        The filter.
    views : GraphViews
        Its views.
    learning : bool ndarray of shape (I,)
        Views learned from.
    learned : Learned
        Nodes, positions, sums.
    into : int64 ndarray of shape (K,)
        Node that stands for each.
    survives : bool ndarray of shape (K,)
        Nodes that found more than chance.
    share, chance : float64 ndarrays of shape (K,)
        Share of peaks, and by chance.
    triggered : bool ndarray of shape (I, K)
        Where nodes are triggered.
    raw, maximum : ndarrays of shape (I, 2) and (I,)
        Where the filter has its maximum, and that value.
    """

    unit: int
    views: GraphViews
    learning: np.ndarray
    learned: Learned
    into: np.ndarray
    survives: np.ndarray
    share: np.ndarray
    chance: np.ndarray
    triggered: np.ndarray
    raw: np.ndarray
    maximum: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Nodes that stand for themselves."""
        return np.flatnonzero(self.into == np.arange(len(self.into)))


@dataclass(frozen=True)
class Upper:
    """Candidates for edges: their names, positions and triggering on the views."""

    layer: str
    unit: np.ndarray
    node: np.ndarray
    deformation: np.ndarray
    position: np.ndarray
    triggered: np.ndarray

    def only(self, seen: np.ndarray) -> "Upper":
        """Return the candidates on some views."""
        return replace(self, position=self.position[seen], triggered=self.triggered[seen])

    def candidates(self, learning: np.ndarray) -> Candidates | None:
        """Return what learning needs of them, None if there are none."""
        return Candidates(self.position, self.deformation, learning) if len(self.unit) else None


def _table(name: str, key: Key, rows: int, columns: dict[str, object]) -> pa.Table:
    named = dict(zip(("model", "layer", "category"), ([value] * rows for value in key), strict=True))
    return pa.table({**named, **columns}, schema=TABLES[name])


def node_rows(key: Key, found: Found) -> pa.Table:
    """Return all nodes of a filter, merged ones too."""
    learned, nodes, sums = found.learned, found.learned.nodes, found.learned.sums
    count, own = len(nodes.mu), found.into == np.arange(len(nodes.mu))
    position = learned.position[found.learning].astype(np.float64)
    hits = found.triggered[found.learning].sum(axis=0)
    mean = position.mean(axis=0)
    return _table(
        "graph_nodes",
        key,
        count,
        {
            "unit": np.full(count, found.unit, np.int32),
            "node": np.arange(count, dtype=np.int32),
            "mu_y": nodes.mu[:, 0],
            "mu_x": nodes.mu[:, 1],
            "deformation": nodes.deformation,
            "window": learned.centres.half,
            "merged_into": pa.array(found.into.astype(np.int32), mask=own),
            "survives": found.survives,
            "peak_share": found.share,
            "chance_share": found.chance,
            "images": hits.astype(np.int32),
            "share": hits / found.learning.sum(),
            "mean_score": learned.score[found.learning].astype(np.float64).mean(axis=0),
            "mass": sums.mass,
            "filter_mass": np.full(count, sums.total),
            "recorded": sums.recorded,
            "mean_y": mean[:, 0],
            "mean_x": mean[:, 1],
            "variance": position.var(axis=0).sum(axis=1),
        },
    )


def position_rows(key: Key, found: Found) -> pa.Table:
    """Return the inference of the nodes that stand for themselves, node by node, view by view."""
    kept, views = found.kept, found.views
    rows, per = len(kept) * len(views.view), len(views.view)
    position = found.learned.position[:, kept].transpose(1, 0, 2).reshape(rows, 2)
    return _table(
        "node_positions",
        key,
        rows,
        {
            "unit": np.full(rows, found.unit, np.int32),
            "node": np.repeat(kept, per).astype(np.int32),
            "view": np.tile(views.view, len(kept)).astype(np.int32),
            "y": np.ascontiguousarray(position[:, 0]),
            "x": np.ascontiguousarray(position[:, 1]),
            "score": found.learned.score[:, kept].T.ravel(),
            "triggered": found.triggered[:, kept].T.ravel(),
            "heldout": np.tile(views.heldout, len(kept)),
        },
    )


def edge_rows(key: Key, found: Found, upper: Upper | None) -> pa.Table:
    """Return the edges of the nodes that stand for themselves, best first."""
    edges = found.learned.nodes.edges[found.kept]
    if upper is None or not edges.shape[1]:
        return TABLES["graph_edges"].empty_table()
    seen, rows = found.learning, edges.size
    node, other = np.repeat(found.kept, edges.shape[1]), edges.ravel()
    apart = found.learned.position[seen][:, node].astype(np.float64) - upper.position[seen][:, other]
    weight = upper.deformation[edges] ** -2.0
    own, above = found.triggered[seen][:, node], upper.triggered[seen][:, other]
    together, product = (own & above).sum(axis=0), own.sum(axis=0) * above.sum(axis=0).astype(np.float64)
    lift = together * seen.sum() / np.maximum(product, 1)
    return _table(
        "graph_edges",
        key,
        rows,
        {
            "unit": np.full(rows, found.unit, np.int32),
            "node": node.astype(np.int32),
            "upper_layer": [upper.layer] * rows,
            "upper_unit": upper.unit[other],
            "upper_node": upper.node[other],
            "weight": (weight / weight.sum(axis=1, keepdims=True)).ravel(),
            "displacement_y": apart[:, :, 0].mean(axis=0),
            "displacement_x": apart[:, :, 1].mean(axis=0),
            "deviation": np.sqrt(apart.var(axis=0).sum(axis=1)),
            "coactivation": pa.array(lift, mask=product == 0),
            "together": together.astype(np.int32),
        },
    )


def parts_of(
    run: Path, table: str, model: str, layer: str, category: str, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the parts of a table of a layer and category, in order: all that markers promise."""
    start = f"{category}-units-"
    found = [
        name
        for name in Promise(run, ("graph",), (model, layer, start)).names
        if name.startswith(start) and name[len(start) :].isdigit()
    ]
    if not found:
        raise RunError(f"no {table} of {layer!r} of {model} for category {category!r}; --redo graph learns them again")
    for name in found:
        yield read_table(run, table, (model, layer, name), stage="graph", columns=columns)


def read_nodes(run: Path, model: str, layer: str, category: str) -> pa.Table:
    """Return the nodes of a layer that stand for themselves, filter by filter."""
    nodes = pa.concat_tables(parts_of(run, "graph_nodes", model, layer, category))
    return nodes.filter(pc.is_null(nodes["merged_into"]))


def read_positions(
    run: Path, model: str, layer: str, views: GraphViews, nodes: pa.Table, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (U, I, 2) and triggering (U, I) of some of the nodes, on all views that could be read."""
    wanted = {pair: rank for rank, pair in enumerate(_names(nodes.take(chosen)))}
    position = np.zeros((len(chosen), len(views.view), 2), np.float32)
    hits, columns = np.zeros(position.shape[:2], bool), ["unit", "node", "view", "y", "x", "triggered"]
    for rows in parts_of(run, "node_positions", model, layer, views.name, columns):
        unit, node, view, y, x, hit = (rows[name].to_numpy() for name in columns)
        if not len(unit):
            continue
        starts = np.flatnonzero(np.append(True, (np.diff(unit) != 0) | (np.diff(node) != 0)))
        for start, stop in zip(starts, np.append(starts[1:], len(unit)), strict=True):
            rank = wanted.get((int(unit[start]), int(node[start])))
            if rank is not None:
                at = np.searchsorted(views.view, view[start:stop])
                position[rank, at, 0], position[rank, at, 1] = y[start:stop], x[start:stop]
                hits[rank, at] = hit[start:stop]
    return position, hits


def _names(nodes: pa.Table) -> list[tuple[int, int]]:
    return list(zip(nodes["unit"].to_pylist(), nodes["node"].to_pylist(), strict=True))


def candidate_rows(
    model: str, layer: str, category: str, nodes: pa.Table, chosen: np.ndarray, found: tuple[np.ndarray, np.ndarray]
) -> pa.Table:
    """Return the rows of `graph_candidates`."""
    part, (position, hits) = nodes.take(chosen), found
    columns = {
        "rank": np.arange(len(chosen), dtype=np.int32),
        "unit": part["unit"],
        "node": part["node"],
        "deformation": part["deformation"],
        "y": list(position[:, :, 0]),
        "x": list(position[:, :, 1]),
        "triggered": list(hits),
    }
    return _table("graph_candidates", (model, layer, category), len(chosen), columns)


def read_candidates(run: Path, model: str, layer: str, views: GraphViews) -> Upper:
    """Return the candidates of a layer."""
    rows = read_table(run, "graph_candidates", (model, layer, f"{views.name}-candidates"), stage="graph")
    count, shape = rows.num_rows, (rows.num_rows, len(views.view))
    y, x, hits = (
        np.asarray(rows[name].combine_chunks().flatten()).reshape(shape) if count else np.zeros(shape)
        for name in ("y", "x", "triggered")
    )
    position = np.stack([y, x], axis=2).astype(np.float32).transpose(1, 0, 2)
    unit, node, deformation = (rows[name].to_numpy() for name in ("unit", "node", "deformation"))
    return Upper(layer, unit, node, deformation, np.ascontiguousarray(position), hits.astype(bool).T)


__all__ = [
    "Found",
    "Upper",
    "candidate_rows",
    "edge_rows",
    "node_rows",
    "position_rows",
    "read_candidates",
    "read_nodes",
    "read_positions",
]
