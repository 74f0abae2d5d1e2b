"""Parts found on held-out images from a few annotated ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.method import Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.localize.edited import EDIT
    from filterscope.pipeline.methods.localize.stage import LOCALIZE

    return LOCALIZE, EDIT


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.graph.needs import Crops
    from filterscope.pipeline.methods.localize.asked import Part
    from filterscope.pipeline.methods.needs import Fields, Landmarks, Positions

    return Landmarks(), Positions(), Fields("to place parts in"), Crops(), Part()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.localize.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="localize",
    about="Parts found on held-out images from a few annotated ones",
    source="Zhang et al. 2018, Interpreting CNN Knowledge via an Explanatory Graph, section 4.3",
    stages=stages,
    options=LocalizeOptions,
    needs=needs,
    findings=findings,
    slow=True,
)

__all__ = ["METHOD"]
