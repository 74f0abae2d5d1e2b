"""Class scores of every view."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.outputs.options import OutputsOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.outputs.stage import OUTPUTS_STAGE

    return (OUTPUTS_STAGE,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.outputs.needs import Scores, TrueClasses

    return TrueClasses(), Scores()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.outputs.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="outputs",
    about="Class scores of every view: accuracy and confidence",
    source="Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge, section 4.1",
    stages=stages,
    options=OutputsOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=1.0),
    unstored=True,
)

__all__ = ["METHOD"]
