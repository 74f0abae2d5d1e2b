"""What layers still know of an image: images made anew from their activations alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.inversion.options import InversionOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan

#: Forward passes that an update takes as long as.
_OF_AN_UPDATE = 3.0


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.inversion.stage import INVERT

    return (INVERT,)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.inversion.findings import FINDINGS

    return FINDINGS


def _images(plan: "Plan") -> int:
    asked = plan.of(InversionOptions)
    views = min(asked.views, plan.view_count)
    return views + min(asked.controls, views)


def drawn(plan: "Plan") -> float:
    """Return the forward passes through each network: what all updates take."""
    layers = sum(len(model.layers) for model in plan.models) / max(len(plan.models), 1)
    return layers * _images(plan) * _OF_AN_UPDATE * plan.of(InversionOptions).steps


def told(plan: "Plan") -> "Sequence[str]":
    """Return what the images will cost, one line per model."""
    steps = plan.of(InversionOptions).steps
    return [
        f"{model.name}: inversion makes {len(model.layers) * _images(plan):,} images in {steps:,} updates each, as long as "
        f"{len(model.layers) * _images(plan) * _OF_AN_UPDATE * steps:,.0f} forward passes"
        for model in plan.models
    ]


METHOD = Method(
    name="inversion",
    about="What layers still know of an image: images made anew from their activations alone",
    source="Mahendran & Vedaldi 2015, Understanding Deep Image Representations by Inverting Them",
    stages=stages,
    options=InversionOptions,
    findings=findings,
    cost=Cost(drawn=drawn),
    told=told,
    slow=True,
)

__all__ = ["METHOD"]
