"""What a run says of explanatory graphs: nodes and ties, and whether nodes are steadier than filters and controls."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.run.folder import RunFolder

_CONTROLS = ("fixed", "own", "window", "shuffled")
_PROTOCOLS = ("survey", "explanatory-graph")
#: Nodes of a unit that are listed; of these, nodes whose ties are drawn, and ties of each.
_NODES, _TIED, _TIES = 40, 12, 3


def instability_summary(run: str | Path, protocol: str = "survey") -> pl.DataFrame:
    """Compare surviving nodes with raw filters and controls: one row per model, category, landmark and layer.

    Parameters
    ----------
    run : path
        The run folder.
    protocol : str
        survey or explanatory-graph.

    Returns
    -------
    polars.DataFrame
        `filters` and `nodes` with a result; the median `tracking of filters` and `tracking of nodes`, also `where
        triggered`, on a mean share of `triggered` views; the mean `displacement of nodes` and that `of a constant`; the mean
        instability of `raw filters` on their own strongest held-out views, of surviving nodes (`node instability`), and of
        their `own filter` and the controls on the nodes' views; the share of surviving nodes that `beat all controls` with
        p < .05; views `measured` and `dropped` of a node, on average.
    """
    return _summary(schemas.scan_node_instability(run), protocol)


def _summary(rows: pl.LazyFrame, protocol: str) -> pl.DataFrame:
    keys = ["model", "category", "landmark", "layer"]
    rows = rows.filter(pl.col("protocol") == protocol, pl.col("instability").is_not_null())
    raw = (
        rows.filter(pl.col("node").is_null())
        .group_by(keys)
        .agg(
            pl.len().alias("filters"),
            pl.col("tracking").median().alias("tracking of filters"),
            pl.col("instability").mean().alias("raw filters"),
        )
    )
    nodes = (
        rows.filter(pl.col("survives"))
        .group_by(keys)
        .agg(
            pl.len().alias("nodes"),
            pl.col("tracking").median().alias("tracking of nodes"),
            pl.col("triggered_tracking").median().alias("where triggered"),
            pl.col("triggered_share").mean().alias("triggered"),
            pl.col("displacement").mean().alias("displacement of nodes"),
            pl.col("constant").mean().alias("of a constant"),
            pl.col("instability").mean().alias("node instability"),
            pl.col("raw").mean().alias("own filter"),
            *(pl.col(name).mean() for name in _CONTROLS),
            pl.col("beats_controls").mean().alias("beat all controls"),
            pl.col("images").mean().alias("measured"),
            pl.col("dropped").mean(),
        )
    )
    return raw.join(nodes, on=keys, how="left").sort(keys).collect()


def graphs(run: str | Path) -> pl.DataFrame:
    """Return the graphs of a run: model, category, layers, nodes, surviving nodes, crops that it was learned from."""
    return (
        schemas.scan_graph_summary(run)
        .group_by("model", "category")
        .agg(
            pl.len().alias("layers"),
            pl.col("nodes", "surviving").sum(),
            pl.col("learning_views").max().alias("crops learned from"),
        )
        .sort("model", "category")
        .collect()
    )


def graphs_of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what the graph of each category makes of a layer: the columns of `graph_summary` that a reader compares."""
    return _layers(schemas.scan_layer(run, "graph_summary", model, layer)).sort("category").collect()


def layers_of_graph(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return the layers of one graph from the top, each with the nodes that lower ones could be tied to (`candidates`)."""
    layers = _names(run, model)
    offered = _each(run, "graph_candidates", model, layers).filter(category=category)
    counted = offered.group_by("layer").agg(pl.len().cast(pl.Int64).alias("candidates"))
    order = pl.LazyFrame({"layer": layers, "order": range(len(layers))}, {"layer": pl.String, "order": pl.Int64})
    found = _layers(_each(run, "graph_summary", model, layers).filter(category=category))
    found = found.join(counted, on="layer", how="left").join(order, on="layer")
    return found.sort("order", descending=True).drop("order").collect()


def _layers(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(
        "model",
        "layer",
        "category",
        "filters",
        "silent",
        "nodes",
        "surviving",
        "represented",
        pl.col("patterns_per_filter").alias("nodes of a filter"),
        "explained",
        pl.col("explained_by_surviving").alias("by surviving nodes"),
        pl.col("learning_views").alias("crops learned from"),
        pl.col("heldout_views").alias("held out"),
    )


def nodes_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the nodes that stand for themselves of each unit of a layer, most used first, at most 40 of a unit.

    Columns: model, layer, unit, category, node, ``triggered by, %`` of the crops, ``row``, ``column``, ``deformation``,
    survives, and the unit's ``peak share`` about the node beside that by chance, which decides on it.
    """
    rows = schemas.scan_layer(run, "graph_nodes", model, layer).filter(pl.col("merged_into").is_null())
    return (
        rows.sort("unit", "category", "images", "node", descending=[False, False, True, False])
        .group_by("unit", maintain_order=True)
        .head(_NODES)
        .select(
            "model",
            "layer",
            "unit",
            "category",
            "node",
            (100 * pl.col("share")).alias("triggered by, %"),
            pl.col("mu_y").alias("row"),
            pl.col("mu_x").alias("column"),
            "deformation",
            "survives",
            pl.col("peak_share").alias("peak share"),
            pl.col("chance_share").alias("by chance"),
        )
        .collect()
    )


def ties_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the three heaviest ties to upper nodes of the 12 most used nodes of each unit of a layer.

    Columns: model, layer, unit, ``from`` and ``to`` as text, weight, deviation, together.
    """
    keys = ["unit", "category", "node"]
    used = schemas.scan_layer(run, "graph_nodes", model, layer).filter("survives")
    used = used.sort("unit", "images", "category", "node", descending=[False, True, False, False])
    used = used.group_by("unit", maintain_order=True).head(_TIED).select(keys)
    edges = schemas.scan_layer(run, "graph_edges", model, layer).join(used, on=keys, how="semi")
    order = ["weight", "upper_layer", "upper_unit", "upper_node"]
    heaviest = edges.sort(*keys, *order, descending=[False, False, False, True, False, False, False])
    own = pl.format("{} node {}", "category", "node")
    upper = pl.format("{} unit {} node {}", "upper_layer", "upper_unit", "upper_node")
    return (
        heaviest.group_by(keys, maintain_order=True)
        .head(_TIES)
        .select("model", "layer", "unit", own.alias("from"), upper.alias("to"), "weight", "deviation", "together")
        .collect()
    )


def controls_of_nodes(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return mean location instabilities of the nodes of one graph, of raw filters and of controls, per layer and landmark.

    Columns: model, category, landmark, layer, protocol, filters, nodes, then the instabilities alone.
    """
    names = ("filters", "nodes", "raw filters", "own filter", "node instability", *_CONTROLS)
    return _protocols(run, model, category, names)


def nodes_beating_controls(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return how closely the nodes of one graph follow a landmark, and the share of surviving ones that beat all controls.

    Columns: model, category, landmark, layer, protocol, nodes, the median tracking of filters, of nodes, and of nodes where
    they are triggered, with the share of such views; their mean displacement and that of a constant; ``beat all
    controls``, ``by chance``, and the views that a node was measured on and those dropped, on average.
    """
    leads = ("nodes", "tracking of filters", "tracking of nodes", "where triggered", "triggered")
    names = (*leads, "displacement of nodes", "of a constant", "beat all controls", "measured", "dropped")
    found = _protocols(run, model, category, names)
    chance = pl.lit(0.05).alias("by chance, at most")
    return found.select(*found.columns[:-2], chance, *found.columns[-2:])


def _protocols(run: str | Path, model: str, category: str, names: tuple[str, ...]) -> pl.DataFrame:
    rows = _each(run, "node_instability", model, _names(run, model)).filter(category=category)
    keys = ["model", "category", "landmark", "layer"]
    found = [_summary(rows, name).select(*keys, pl.lit(name).alias("protocol"), *names) for name in _PROTOCOLS]
    return pl.concat(found)


def part_groups(run: str | Path) -> pl.DataFrame:
    """Return how far off groups of nodes put each landmark, beside what needs no graph: the nearest method first.

    Columns: model, category, landmark, method, members, learning, heldout, distance, less, less_low, less_high.
    """
    names = ("members", "learning", "heldout", "distance", "less", "less_low", "less_high")
    keys = ["model", "category", "landmark"]
    return schemas.scan_part_groups(run).sort(*keys, "distance", "method").select(*keys, "method", *names).collect()


def nodes_of_parts(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return the nodes and filters whose groups find the landmarks of a category, the steadiest first.

    Columns: model, category, landmark, method, layer, unit, node, ``offset down``, ``offset right``, displacement,
    ``effective images``, ``held-out distance``.
    """
    rows = schemas.scan_part_nodes(run).filter(model=model, category=category).sort("landmark", "method", "rank")
    return rows.select(
        "model", "category", "landmark", "method", "layer", "unit", "node",
        pl.col("offset_y").alias("offset down"), pl.col("offset_x").alias("offset right"), "displacement",
        pl.col("effective_images").alias("effective images"), pl.col("heldout_distance").alias("held-out distance"),
    ).collect()  # fmt: skip


def _names(run: str | Path, model: str) -> list[str]:
    return [layer.name for layer in RunFolder.existing(run).plan().model(model).layers]


def _each(run: str | Path, name: str, model: str, layers: list[str]) -> pl.LazyFrame:
    """Return the rows of a table of some layers of a model (at least one), without a look at those of other models."""
    return pl.concat([schemas.scan_layer(run, name, model, layer) for layer in layers])


_SURVIVAL = (
    "A node survives if its filter's peaks lie denser about it (peak share) than they do about the best place once shuffled "
    "over positions (99th percentile of chance)."
)
_STEADY = (
    "Location instability on held-out crops, in diagonals; lower is steadier. Controls on the nodes' own views: a dot at the "
    "crop's centre (fixed), each node's mean position (own), positions drawn in its window, its positions on other images "
    "(shuffled)."
)

_GROUPS = (
    "The 20 nodes whose displacement to a landmark varies least on learning crops, weighted by (score / mean)^2, point to it "
    "on held-out crops, weighted alike; distance from it is in diagonals. Beside them: ten filters chosen alike, their median, "
    "the most similar annotated patch, the mean of patches by similarity, and the mean position."
)

FINDINGS = (
    Finding(
        "Parts that groups of nodes find: beside filters, patches and the mean position",
        ("part_groups",),
        part_groups,
        note=f"{_GROUPS} Less: what nodes save over the best of these, with a 95 % interval over images.",
    ),
    Finding("Nodes of the groups", ("part_nodes",), nodes_of_parts, per="category", note=_GROUPS),
    Finding(
        "Explanatory graphs",
        ("graph_summary",),
        graphs,
        note=f"Filters taken apart into part patterns, and patterns of lower layers tied to those of higher ones. {_SURVIVAL}",
        terminal=False,
    ),
    Finding("In explanatory graphs", ("graph_summary",), graphs_of_layer, per="layer", note=_SURVIVAL),
    Finding(
        "Layers of the graph", ("graph_summary", "graph_candidates"), layers_of_graph, per="category", note=_SURVIVAL
    ),
    Finding(
        "Nodes",
        ("graph_nodes",),
        nodes_of_units,
        per="unit",
        note=f"The part patterns into which explanatory graphs take this filter apart, the most used first. Positions are "
        f"pixels of the input. {_SURVIVAL}",
    ),
    Finding(
        "Ties of its nodes",
        ("graph_edges", "graph_nodes"),
        ties_of_units,
        per="unit",
        look="graph",
        note="The most used surviving nodes and, of each, the three upper nodes whose displacement they keep best. Ties are "
        "fitted to the crops that the graph was learned from; ties alone say nothing against chance.",
    ),
    Finding(
        "Nodes beside controls",
        ("node_instability",),
        controls_of_nodes,
        per="category",
        look="heat",
        note=_STEADY,
    ),
    Finding(
        "Nodes that beat all controls",
        ("node_instability",),
        nodes_beating_controls,
        per="category",
        note="Share of surviving nodes that are steadier than own, window and shuffled, each with p < .05; nodes no better "
        "than the best control would do so at most as often as stated. Tracking is 0 for a constant and 1 for a follower. "
        "Measured and dropped are views of a node, on average; one is dropped if the landmark is not there just once.",
    ),
)

__all__ = [
    "FINDINGS",
    "controls_of_nodes",
    "graphs",
    "graphs_of_layer",
    "instability_summary",
    "layers_of_graph",
    "nodes_beating_controls",
    "nodes_of_parts",
    "nodes_of_units",
    "part_groups",
    "ties_of_units",
]
