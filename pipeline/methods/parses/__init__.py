"""Which parts of a box carry its category: parses by an And-Or graph over a grid of cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method
from filterscope.pipeline.methods.parses.options import ParsesOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.parses.cells import CUT
    from filterscope.pipeline.methods.parses.stage import PARSE

    return CUT, PARSE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.parses.needs import Boxed

    return (Boxed(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.parses.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="parses",
    about="Which parts of a box carry its category, as trees over a grid of cells",
    source="Wu et al. 2017, Towards Interpretable R-CNN by Unfolding Latent Structures",
    stages=stages,
    options=ParsesOptions,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
