"""Which training views make a linear head say what it says, and which labels are suspect."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.influence.head import HEAD_STAGE
    from filterscope.pipeline.methods.influence.pooled import POOLED_STAGE
    from filterscope.pipeline.methods.influence.stage import INFLUENCE_STAGE

    return POOLED_STAGE, HEAD_STAGE, INFLUENCE_STAGE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.influence.needs import Classes
    from filterscope.pipeline.methods.outputs.needs import TrueClasses

    return TrueClasses(always=True), Classes()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.influence.findings import FINDINGS

    return FINDINGS


def told(plan: "Plan") -> "Sequence[str]":
    """Return what heads that are not inverted exactly take, one line per layer."""
    from filterscope.pipeline.methods.influence.costs import told

    return told(plan)


METHOD = Method(
    name="influence",
    about="Which training views make a linear head right or wrong, and which labels are suspect",
    source="Koh & Liang 2017, Understanding Black-box Predictions via Influence Functions, sections 2 and 5",
    stages=stages,
    options=InfluenceOptions,
    needs=needs,
    findings=findings,
    cost=Cost(),  # seconds a layer, whatever the number of views, and a sum over the training views for each test view
    told=told,
)

__all__ = ["METHOD"]
