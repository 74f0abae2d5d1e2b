"""Labels of units: data-set IoU with concepts, thresholds, top images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.method import Cost, Method, Size

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.dissection.concepts import CONCEPTS_STAGE
    from filterscope.pipeline.methods.dissection.masks import MASKS_STAGE

    if options.stored:
        from filterscope.pipeline.methods.dissection.dissect import DISSECT

        return MASKS_STAGE, CONCEPTS_STAGE, DISSECT
    from filterscope.pipeline.methods.dissection.tallies import DISSECT_UNSTORED, TALLIES_STAGE
    from filterscope.pipeline.methods.dissection.thresholds import THRESHOLDS_STAGE

    return MASKS_STAGE, CONCEPTS_STAGE, THRESHOLDS_STAGE, TALLIES_STAGE, DISSECT_UNSTORED


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.dissection.needs import Concepts

    return (Concepts(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.dissection.findings import FINDINGS

    return FINDINGS


def _seconds(factors: Mapping[str, float], size: Size) -> Mapping[str, float]:
    elements, pairs = 1e-6 * size.elements * factors["dissect_melement"], size.pairs * factors["dissect_pair"]
    return {"dissect": elements + pairs}


def told(plan: "Plan") -> Sequence[str]:
    """Return whether too few groups of images leave no concept to label a unit with."""
    import numpy as np

    groups, fewest = len(np.unique(plan.views.group)), plan.of(DissectionOptions).min_groups
    if not plan.grouped or groups >= fewest:
        return ()
    return (
        f"note: the images are in {groups} groups, and a concept must be in {fewest} to label a unit: no unit will have a "
        "label; add groups, or lower --min-groups",
    )


METHOD = Method(
    name="dissection",
    about="Labels of units: data-set IoU with concepts, thresholds, top images",
    source="Bau et al. 2017, Network Dissection, section 2",
    stages=stages,
    options=DissectionOptions,
    needs=needs,
    findings=findings,
    cost=Cost(("dissect_melement", "dissect_pair"), _seconds),
    told=told,
    unstored=True,
    default=True,
)

__all__ = ["METHOD"]
