"""Pictures that units answer to, made with a learned prior."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.synthesis.options import SynthesisOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.synthesis.stage import SYNTHESISE

    return (SYNTHESISE,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.synthesis.asked import LearnedPrior

    return (LearnedPrior(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.synthesis.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.synthesis import costs

    return costs.drawn(plan)


METHOD = Method(
    name="synthesis",
    about="Pictures of each unit that look real, by a learned prior",
    source="Nguyen et al. 2017, Plug & Play Generative Networks",
    stages=stages,
    options=SynthesisOptions,
    needs=needs,
    findings=findings,
    cost=Cost(drawn=_drawn),
    slow=True,
)

__all__ = ["METHOD"]
