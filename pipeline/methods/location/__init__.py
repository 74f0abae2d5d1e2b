"""Location instability: how steadily a unit keeps its distance to landmarks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.location.options import LocationOptions
from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.location.locate import LOCATE

    return (LOCATE,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.needs import Fields, Landmarks

    return Landmarks(), Fields("to say where units look")


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.location.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="location",
    about="Location instability: how steadily a unit keeps its distance to landmarks",
    source="Zhang, Wu & Zhu 2018, Interpretable CNNs, section 5.4",
    stages=stages,
    options=LocationOptions,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
