"""Which unit knows which attribute: the dissection of labels of whole images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.unit_attribute.stage import COMPARE, POOL

    return COMPARE, POOL


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.unit_attribute.needs import Attributes

    return (Attributes(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.unit_attribute.findings import FINDINGS

    return FINDINGS


def _planned(factors: Mapping[str, float], plan: "Plan", views: int) -> Mapping[str, float]:
    from filterscope.pipeline.methods.unit_attribute.costs import planned

    return planned(factors, plan, views)


METHOD = Method(
    name="unit-attribute",
    about="Which unit knows which attribute of whole images",
    source="Hanley & McNeil 1982, The Meaning and Use of the Area under a ROC Curve; Storey & Tibshirani 2003, q values",
    stages=stages,
    options=UnitAttributeOptions,
    needs=needs,
    findings=findings,
    cost=Cost(("attribute_pair",), planned=_planned),
)

__all__ = ["METHOD"]
