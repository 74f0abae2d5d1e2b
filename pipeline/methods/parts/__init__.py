"""Part interpretability: which object part a unit meets image by image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.parts.stage import PARTS

    return (PARTS,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.dissection.needs import Concepts
    from filterscope.pipeline.methods.needs import Category, Fields
    from filterscope.schemas.parts import PART

    return Concepts(), Category(PART, "Pascal-Part or Broden"), Fields("to compare with parts")


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.parts.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="parts",
    about="Part interpretability: which object part a unit meets image by image",
    source="Zhang, Wu & Zhu 2018, Interpretable CNNs, section 5.3",
    stages=stages,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
