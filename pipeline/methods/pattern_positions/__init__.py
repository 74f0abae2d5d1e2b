"""Patterns on the crops held out from an explanatory graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.pattern_positions.stage import POSITIONS
    from filterscope.pipeline.methods.patterns.local_features import LOCAL_FEATURES

    return LOCAL_FEATURES, POSITIONS


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.graph.needs import Crops
    from filterscope.pipeline.methods.needs import Fields, Positions

    return Positions(), Fields("to place nodes in"), Crops()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.pattern_positions.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="pattern-positions",
    about="Patterns on the crops held out from an explanatory graph",
    source="Zhang et al. 2018, Interpreting CNN Knowledge via an Explanatory Graph; the comparison is ours",
    stages=stages,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
