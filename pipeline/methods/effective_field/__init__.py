"""Effective receptive fields by gradients, and what of random images the active cells of a unit see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.effective_field.stage import CONTROLS, EFFECTIVE, STRIPS

    return EFFECTIVE, CONTROLS, STRIPS


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.effective_field.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.effective_field import costs

    return costs.drawn(plan)


def told(plan: "Plan") -> "Sequence[str]":
    """Return what the gradients will cost, one line per model."""
    from filterscope.pipeline.methods.effective_field import costs

    return costs.told(plan)


METHOD = Method(
    name="effective-field",
    about="Effective receptive fields of all units by gradients, and what active cells see of random images",
    source="Luo et al. 2016, Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
    stages=stages,
    options=EffectiveFieldOptions,
    findings=findings,
    cost=Cost(drawn=_drawn),
    told=told,
    slow=True,
)

__all__ = ["METHOD"]
