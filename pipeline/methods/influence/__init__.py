"""Which training views make a linear head say what it says, and which labels are suspect."""

from collections.abc import Mapping, Sequence
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
    from filterscope.pipeline.methods.influence.groups import GROUPS_STAGE
    from filterscope.pipeline.methods.influence.head import HEAD_STAGE
    from filterscope.pipeline.methods.influence.poisoned import ATTACK_STAGE
    from filterscope.pipeline.methods.influence.pooled import POOLED_STAGE
    from filterscope.pipeline.methods.influence.stage import INFLUENCE_STAGE

    return POOLED_STAGE, HEAD_STAGE, INFLUENCE_STAGE, GROUPS_STAGE, ATTACK_STAGE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.influence.needs import Classes, Groups, Perturbable
    from filterscope.pipeline.methods.outputs.needs import TrueClasses

    return TrueClasses(always=True), Groups(), Classes(), Perturbable()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.influence.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.influence.costs import drawn

    return drawn(plan)


def _planned(factors: Mapping[str, float], plan: "Plan", views: int) -> Mapping[str, float]:
    from filterscope.pipeline.methods.influence.costs import planned

    return planned(factors, plan, views)


def told(plan: "Plan") -> "Sequence[str]":
    """Return what training attacks take, and heads that are not inverted exactly, one line per layer."""
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
    cost=Cost(("head_gflop",), planned=_planned, drawn=_drawn),
    told=told,
)

__all__ = ["METHOD"]
