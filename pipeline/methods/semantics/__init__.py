"""Whether units mean more than other directions of a layer: purity and coherence of the images that drive them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method
from filterscope.pipeline.methods.semantics.options import SemanticsOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.semantics.judge import JUDGE
    from filterscope.pipeline.methods.semantics.stage import MEASURE

    return JUDGE, MEASURE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.semantics.needs import Labels

    return (Labels(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.semantics.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="semantics",
    about="Whether units mean more than random directions and rotated bases",
    source="Szegedy et al. 2014, Intriguing Properties of Neural Networks",
    stages=stages,
    options=SemanticsOptions,
    needs=needs,
    findings=findings,
)

__all__ = ["METHOD"]
