"""Blind spots: where a network is confidently wrong, and whom to ask about it first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.blind_spots.options import BlindSpotsOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.blind_spots.discovery import DISCOVERY
    from filterscope.pipeline.methods.blind_spots.stage import partitions_kind

    return partitions_kind(options), DISCOVERY


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.blind_spots.needs import Critical
    from filterscope.pipeline.methods.outputs.needs import Scores, TrueClasses

    return TrueClasses(), Scores(), Critical()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.blind_spots.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="blind-spots",
    about="Where a network is confidently wrong, and which images to label next",
    source="Lakkaraju et al. 2017, Identifying Unknown Unknowns in the Open World: Representations and Policies for Guided "
    "Exploration",
    stages=stages,
    options=BlindSpotsOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=1.0),  # that of class scores
    unstored=True,
)

__all__ = ["METHOD"]
