"""The verb `graph`: which audit learns explanatory graphs, and what it tells when they are learned."""

from pathlib import Path
from typing import Any

from filterscope import schemas
from filterscope.jobs.config.audit import AuditConfig, load_config


def graph_config(data: Path, category: str | None, *, patterns: bool = False, **settings: Any) -> AuditConfig:
    """Return the configuration of an audit that learns graphs from the crops of one category, or of every one.

    Negative images are used where the data set has any. With `patterns`, patterns of the same crops are found too, to
    compare the nodes with.
    """
    from filterscope.pipeline.datasets.layout import NEGATIVE, Dataset

    views = f"objects:{category}" if category else "objects"
    negatives = NEGATIVE in Dataset.open(data, need=None).images["split"].to_pylist()
    methods = "graph,pattern-positions" if patterns else "graph"
    return load_config(data=data, views=views, negatives=negatives, methods=methods, **settings)


def graph_report(run: str | Path) -> str:
    """Return as text what the graphs of a run amount to, how steady their nodes are, and what groups of them find."""
    from filterscope.jobs.findings.query import shown
    from filterscope.pipeline.methods.graph.findings import instability_summary, part_groups
    from filterscope.pipeline.methods.pattern_positions.findings import nodes_beside_patterns

    summary = schemas.scan_graph_summary(run).drop("mode", "learned").sort("model", "category", "layer").collect()
    pieces = ["Explanatory graphs", shown(summary)]
    for protocol in ("survey", "explanatory-graph"):
        found = instability_summary(run, protocol)
        if found.height:
            pieces += [f"Location instability on held-out images, protocol {protocol}", shown(found)]
    parts = part_groups(run)
    if parts.height:
        pieces += ["Landmarks found on held-out crops by groups chosen on the others", shown(parts)]
    beside = nodes_beside_patterns(run)
    if beside.height:
        pieces += ["Surviving nodes and patterns of the same filters on the same held-out crops", shown(beside)]
    return "\n".join(pieces)


__all__ = ["graph_config", "graph_report"]
