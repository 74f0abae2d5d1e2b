"""What class scores depend on: gradients by three rules for rectifiers, and an image made for each class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.saliency.options import SaliencyOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan

#: Forward passes that a pass forward and back takes as long as; maps are of three rules, in three networks.
_BACK, _MAPS = 3.0, 9


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.saliency.stage import CLASS_MODELS, SALIENCY

    return SALIENCY, CLASS_MODELS


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.outputs.needs import Scores

    return (Scores(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.saliency.findings import FINDINGS

    return FINDINGS


def drawn(plan: "Plan") -> float:
    """Return the forward passes through each network: maps in three networks, and updates of images in two."""
    asked = plan.of(SaliencyOptions)
    return _BACK * (_MAPS * min(asked.views, plan.view_count) + 2 * asked.classes * asked.steps)


def told(plan: "Plan") -> "Sequence[str]":
    """Return what the images of classes will cost, one line per model."""
    asked, passes = plan.of(SaliencyOptions), drawn(plan)
    return [
        f"{model.name}: saliency differentiates the scores of {min(asked.views, plan.view_count):,} views and makes images for "
        f"at most {asked.classes:,} classes in {asked.steps:,} updates each, as long as {passes:,.0f} forward passes"
        for model in plan.models
    ]


METHOD = Method(
    name="saliency",
    about="Gradients of class scores by three rules for rectifiers, and an image made for each class",
    source="Simonyan et al. 2014, Deep Inside Convolutional Networks; "
    "Springenberg et al. 2015, Striving for Simplicity, section 3.4; "
    "Adebayo et al. 2018, Sanity Checks for Saliency Maps",
    stages=stages,
    options=SaliencyOptions,
    needs=needs,
    findings=findings,
    cost=Cost(drawn=drawn),
    told=told,
    slow=True,
)

__all__ = ["METHOD"]
