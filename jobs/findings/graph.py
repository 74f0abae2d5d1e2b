"""The verb `graph`: learn explanatory graphs, and say whether their nodes are steadier than filters and controls."""

from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.config.audit import AuditConfig, load_config

_CONTROLS = ("fixed", "own", "window", "shuffled")


def graph_config(data: Path, category: str | None, *, patterns: bool = False, **settings: Any) -> AuditConfig:
    """Return the configuration of a run that learns graphs of one category's crops, or of all, with negatives if any.

    With `patterns`, those of the same crops are learned too, for `pipeline.methods.pattern_positions.findings`.
    """
    from filterscope.pipeline.datasets.layout import NEGATIVE, Dataset

    views = f"objects:{category}" if category else "objects"
    negatives = NEGATIVE in Dataset.open(data, need=None).images["split"].to_pylist()
    metrics = "graph,pattern-positions" if patterns else "graph"
    return load_config(data=data, views=views, negatives=negatives, metrics=metrics, **settings)


def instability_summary(run: str | Path, protocol: str = "survey") -> pl.DataFrame:
    """Compare surviving nodes with raw filters and controls: a row a model, category, landmark and layer.

    Parameters
    ----------
    run : path
        The run folder.
    protocol : str
        survey or explanatory-graph.

    Returns
    -------
    polars.DataFrame
        `filters` and `nodes` with a result; mean instability of raw filters on their own strongest held-out views (`raw`),
        of surviving nodes (`nodes_`), and of the controls on the nodes' views; share of surviving nodes that beat the
        three controls with p < .05 (`beat`); median tracking of filters and nodes.
    """
    keys = ["model", "category", "landmark", "layer"]
    rows = schemas.scan_node_instability(run).filter(
        pl.col("protocol") == protocol, pl.col("instability").is_not_null()
    )
    raw = (
        rows.filter(pl.col("node").is_null())
        .group_by(keys)
        .agg(
            pl.len().alias("filters"),
            pl.col("instability").mean().alias("raw filters"),
            pl.col("tracking").median().alias("tracking of filters"),
        )
    )
    nodes = (
        rows.filter(pl.col("survives"))
        .group_by(keys)
        .agg(
            pl.len().alias("nodes"),
            pl.col("instability").mean().alias("node instability"),
            pl.col("raw").mean().alias("own filter"),
            *(pl.col(name).mean() for name in _CONTROLS),
            pl.col("beats_controls").mean().alias("beat all controls"),
            pl.col("tracking").median().alias("tracking of nodes"),
        )
    )
    return raw.join(nodes, on=keys, how="left").sort(keys).collect()


def graph_report(run: str | Path) -> str:
    """Return as text what the graphs of a run amount to, and the instability of their nodes by both protocols."""
    from filterscope.jobs.findings.query import shown
    from filterscope.pipeline.methods.pattern_positions.findings import nodes_beside_patterns

    summary = schemas.scan_graph_summary(run).drop("mode", "learned").sort("model", "category", "layer").collect()
    pieces = ["Explanatory graphs", shown(_rounded(summary), "table")]
    for protocol in ("survey", "explanatory-graph"):
        found = instability_summary(run, protocol)
        if found.height:
            pieces += [f"Location instability on held-out images, protocol {protocol}", shown(_rounded(found), "table")]
    beside = nodes_beside_patterns(run)
    if beside.height:
        pieces += [
            "Surviving nodes and patterns of the same filters on the same held-out crops",
            shown(_rounded(beside), "table"),
        ]
    return "\n".join(pieces)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.selectors.float().round(3))


__all__ = ["graph_config", "graph_report", "instability_summary"]
