"""Equivariance to shifts: whether units move with the content of an image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.shift.options import ShiftOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.shift.stage import SHIFT

    return (SHIFT,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.needs import Fields, Positions
    from filterscope.pipeline.methods.shift.needs import Pairs

    return Positions(), Fields("to say how far units move"), Pairs()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.shift.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.shift.costs import drawn

    return drawn(plan)


METHOD = Method(
    name="shift",
    about="Whether units move with the content of an image, or stay where they are in the crop",
    source="Lenc & Vedaldi 2015, Understanding Image Representations by Measuring Their Equivariance and Equivalence",
    stages=stages,
    options=ShiftOptions,
    needs=needs,
    findings=findings,
    cost=Cost(drawn=_drawn),
)

__all__ = ["METHOD"]
