"""Up-convolutional inversion: what a layer keeps of an image, by a network trained to make the image again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.up_convolution.stage import INVERT

    return (INVERT,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.up_convolution.asked import Inverters

    return (Inverters(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.up_convolution.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.up_convolution import costs

    return costs.drawn(plan)


METHOD = Method(
    name="up-convolution",
    about="What a layer keeps of an image: colour, place, edges, identity",
    source="Dosovitskiy & Brox 2016, Inverting Visual Representations with Convolutional Networks",
    stages=stages,
    options=UpConvolutionOptions,
    needs=needs,
    findings=findings,
    cost=Cost(drawn=_drawn),
    unstored=True,
    slow=True,
)

__all__ = ["METHOD"]
