"""The verb `export`: an explanatory graph, or a part of it, as GraphML or JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import networkx as nx

FORMATS = ("graphml", "json")
_NODE = ["layer", "unit", "node"]


def explanatory_graph(
    run: str | Path,
    category: str,
    *,
    model: str | None = None,
    node: str | None = None,
    image: int | None = None,
    surviving: bool = False,
) -> "nx.DiGraph":
    """Return the graph of a category: nodes named LAYER/UNIT/NODE, edges from a node to its upper nodes.

    Parameters
    ----------
    run : path
        The run folder.
    category : str
        Category of the objects.
    model : str, optional
        Model of the run; may be left out where there is one.
    node : str, optional
        LAYER/UNIT/NODE: only this node, all above it and all below it.
    image : int, optional
        Number of an image: only nodes that one of its crops, not mirrored, triggers.
    surviving : bool
        Only surviving nodes.

    Raises
    ------
    InputError
        If the run has no such graph, node or image.
    """
    import networkx as nx

    nodes, edges = (part.filter(category=category) for part in _of_model(run, category, model))
    nodes = nodes.filter(pl.col("merged_into").is_null()).drop("model", "category", "merged_into", "filter_mass")
    graph = nx.DiGraph(category=category)
    for row in nodes.sort(_NODE).iter_rows(named=True):
        graph.add_node(_name(row["layer"], row["unit"], row["node"]), **row)
    for row in edges.sort(*_NODE, "upper_unit", "upper_node").iter_rows(named=True):
        names = _name(row["layer"], row["unit"], row["node"]), _name(*(row[f"upper_{key}"] for key in _NODE))
        graph.add_edge(
            *names,
            **_values(row, ("weight", "displacement_y", "displacement_x", "deviation", "coactivation", "together")),
        )
    kept = set(graph)
    if node is not None:
        if node not in graph:
            hint = did_you_mean(node, list(graph)) or " Nodes are named LAYER/UNIT/NODE, and merged ones are left out."
            raise InputError(f"--node {node}: no such node in the graph of {category!r}.{hint}")
        kept &= {node} | nx.ancestors(graph, node) | nx.descendants(graph, node)
    if image is not None:
        kept &= _triggered(run, category, nodes, image, model)
    if surviving:
        kept = {name for name in kept if graph.nodes[name]["survives"]}
    return graph.subgraph([name for name in graph if name in kept]).copy()


def exported(graph: "nx.DiGraph", format: str) -> str:  # noqa: A002
    """Return a graph as text: GraphML, or JSON with `nodes` and `links` as networkx's node_link_data."""
    import networkx as nx

    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; formats are {', '.join(FORMATS)}.{did_you_mean(format, FORMATS)}")
    if format == "graphml":
        return "\n".join(nx.generate_graphml(graph, named_key_ids=True)) + "\n"
    return json.dumps(nx.node_link_data(graph, edges="links"), indent=1) + "\n"


def _of_model(run: str | Path, category: str, model: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    nodes = schemas.scan_graph_nodes(run).collect()
    known = sorted(nodes["category"].unique().to_list())
    if category not in known:
        more = did_you_mean(category, known) or (f" Graphs are of: {', '.join(known)}." if known else "")
        raise InputError(f"{run} has no explanatory graph of {category!r}.{more} `filterscope graph` learns one.")
    models = sorted(nodes["model"].unique().to_list())
    if model is None and len(models) > 1:
        raise InputError(f"{run} has graphs of several models; choose one with --model: {', '.join(models)}")
    model = model or models[0]
    if model not in models:
        raise InputError(f"--model {model}: {run} has graphs of {', '.join(models)}.{did_you_mean(model, models)}")
    return nodes.filter(model=model), schemas.scan_graph_edges(run).filter(model=model).collect()


def _triggered(run: str | Path, category: str, nodes: pl.DataFrame, image: int, model: str | None) -> set[str]:
    views = schemas.scan_views(run).filter(~pl.col("flip"), category=category, image=image).select("view").collect()
    if not views.height:
        raise InputError(f"--image {image}: the run has no crop of a {category} from that image")
    rows = schemas.scan_node_positions(run).filter("triggered", category=category)
    rows = rows.filter(pl.col("view").is_in(views["view"].to_list()))
    if model is not None:
        rows = rows.filter(model=model)
    names = rows.select(_NODE).unique().collect().join(nodes.select(_NODE), on=_NODE, how="semi")
    return {_name(*row) for row in names.iter_rows()}


def _values(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return what is not null: GraphML has no null."""
    return {name: row[name] for name in names if row[name] is not None}


def _name(layer: str, unit: int, node: int) -> str:
    return f"{layer}/{unit}/{node}"


__all__ = ["FORMATS", "explanatory_graph", "exported"]
