"""Detectors against the number of images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.dissection.annotations import ANNOTATIONS_STAGE
    from filterscope.pipeline.methods.growth.stage import GROWTH

    return ANNOTATIONS_STAGE, GROWTH


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.dissection.needs import Concepts

    return (Concepts(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.growth.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="growth",
    about="Detectors against the number of images",
    source="Bau et al. 2017, Network Dissection, section 2.3; the samples are ours",
    stages=stages,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
