"""Decision trees of a network: which filters and parts carry a class score, by which decision mode."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.decision_tree.options import DecisionTreeOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method, and class scores, which they read."""
    from filterscope.pipeline.methods.decision_tree.grow import DECISION_TREE
    from filterscope.pipeline.methods.decision_tree.pooled import POOLED_STAGE

    return POOLED_STAGE, DECISION_TREE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.decision_tree.asked import Explainable
    from filterscope.pipeline.methods.outputs.needs import Scores

    return Scores(), Explainable()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.decision_tree.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="decision-tree",
    about="Which filters and parts carry a class score, by which decision mode",
    source="Zhang et al. 2019, Interpreting CNNs via Decision Trees",
    stages=stages,
    options=DecisionTreeOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=4.0),  # scores, then a pass forward and back; silencing parts comes on top
)

__all__ = ["METHOD"]
