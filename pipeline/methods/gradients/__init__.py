"""Gradients of a class score with respect to the maps of every audited layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.gradients.options import GradientsOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.gradients.stage import GRADIENTS_STAGE

    return (GRADIENTS_STAGE,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.gradients.needs import Differentiable

    return (Differentiable(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.gradients.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="gradients",
    about="Gradients of a class score with respect to all maps, stored beside them",
    source="Selvaraju et al. 2017, Grad-CAM, section 3",
    stages=stages,
    options=GradientsOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=3.0),  # the way back computes gradients of inputs and of weights, each a pass of the same size
)

__all__ = ["METHOD"]
