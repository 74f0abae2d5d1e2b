"""Biased representations: which attributes a network ties together, held against data, chance and what a person expects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.bias.edit import EDITING
    from filterscope.pipeline.methods.bias.mine import MINING
    from filterscope.pipeline.methods.bias.pool import POOLING
    from filterscope.pipeline.methods.bias.relate import RELATE

    return MINING, RELATE, EDITING, POOLING


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.bias.needs import Comparable

    return (Comparable(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.bias.findings import FINDINGS

    return FINDINGS


def told(plan: "Plan") -> "Sequence[str]":
    """Return what edits will take, one line per model."""
    from filterscope.pipeline.methods.bias import costs

    return costs.told(plan)


METHOD = Method(
    name="bias",
    about="Which attributes a network ties together that have nothing to do with each other",
    source="Zhang, Wang & Zhu 2018, Examining CNN Representations with Respect to Dataset Bias",
    stages=stages,
    options=BiasOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=9.0),  # a pass forward and, for each of some outputs, one back through what follows the layers
    told=told,
    unstored=True,
)

__all__ = ["METHOD"]
