"""How little changes a network's mind, and which units and concepts change with it, beside random noise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.vulnerable.shift import UNIT_SHIFT
    from filterscope.pipeline.methods.vulnerable.stage import VULNERABLE

    return VULNERABLE, UNIT_SHIFT


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.outputs.needs import TrueClasses
    from filterscope.pipeline.methods.vulnerable.needs import Attackable

    return TrueClasses(), Attackable()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.vulnerable.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.vulnerable import costs

    return costs.drawn(plan)


def told(plan: "Plan") -> "Sequence[str]":
    """Return what costly attacks will take, one line per model and attack."""
    from filterscope.pipeline.methods.vulnerable import costs

    return costs.told(plan)


METHOD = Method(
    name="vulnerable",
    about="How little changes a network's mind, and which units and concepts change with it",
    source="Szegedy et al. 2014, Intriguing Properties of Neural Networks, section 4",
    stages=stages,
    options=VulnerableOptions,
    needs=needs,
    findings=findings,
    cost=Cost(drawn=_drawn),
    told=told,
    unstored=True,
)

__all__ = ["METHOD"]
