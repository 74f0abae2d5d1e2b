"""And-Or graphs of parts, grown from a few annotated images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.and_or.options import AndOrOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.and_or.answers import ANSWERS
    from filterscope.pipeline.methods.and_or.grow import GROW
    from filterscope.pipeline.methods.and_or.parse import PARSE
    from filterscope.pipeline.methods.and_or.questions import QUESTIONS
    from filterscope.pipeline.methods.and_or.summary import SUMMARY
    from filterscope.pipeline.methods.and_or.units import UNITS

    return UNITS, GROW, PARSE, SUMMARY, QUESTIONS, ANSWERS


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.graph.needs import Crops
    from filterscope.pipeline.methods.localize.asked import Part
    from filterscope.pipeline.methods.needs import Fields, Landmarks, Positions

    return Landmarks(), Positions(), Fields("to place parts in"), Crops(), Part()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.and_or import drawn
    from filterscope.pipeline.methods.and_or.findings import FINDINGS

    return *FINDINGS, *drawn.FINDINGS


def _planned(factors: Mapping[str, float], plan: "Plan", views: int) -> Mapping[str, float]:
    from filterscope.pipeline.methods.and_or.costs import planned

    return planned(factors, plan, views)


METHOD = Method(
    name="and-or",
    about="And-Or graphs of parts, grown from a few annotated images",
    source="Zhang et al. 2017, Growing interpretable part graphs on ConvNets via multi-shot learning; "
    "Zhang et al. 2017, Mining object parts from CNNs via active question-answering",
    stages=stages,
    options=AndOrOptions,
    needs=needs,
    findings=findings,
    cost=Cost(("usual_melement", "grow_mmove", "parse_pattern"), planned=_planned),
    slow=True,
)

__all__ = ["METHOD"]
