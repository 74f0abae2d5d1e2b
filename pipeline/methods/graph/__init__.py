"""Explanatory graphs: part patterns as nodes, tied across layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.graph.learn import GRAPH
    from filterscope.pipeline.methods.graph.part_nodes import PART_NODES
    from filterscope.pipeline.methods.graph.summary import GRAPH_SUMMARY

    return GRAPH, GRAPH_SUMMARY, PART_NODES


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.graph.needs import Crops
    from filterscope.pipeline.methods.needs import Fields, Positions

    return Positions(), Fields("to place nodes in"), Crops()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.graph.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="graph",
    about="Explanatory graphs: part patterns as nodes, tied across layers",
    source="Zhang et al. 2018, Interpreting CNN Knowledge via an Explanatory Graph",
    stages=stages,
    options=GraphOptions,
    needs=needs,
    findings=findings,
    slow=True,
)

__all__ = ["METHOD"]
