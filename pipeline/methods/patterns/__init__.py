"""Patterns: the kinds of pattern whose peaks a filter mixes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.patterns.cluster import PATTERNS
    from filterscope.pipeline.methods.patterns.local_features import LOCAL_FEATURES

    return LOCAL_FEATURES, PATTERNS


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.patterns.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="patterns",
    about="Patterns: the kinds of pattern whose peaks a filter mixes",
    source="Zhang et al. 2018, Interpreting CNN Knowledge via an Explanatory Graph, section 1",
    stages=stages,
    findings=findings,
)

__all__ = ["METHOD"]
