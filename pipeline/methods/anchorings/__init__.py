"""Labels under the other anchoring."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method, Size

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    if not options.stored:
        return ()  # a second tally would take a third forward pass
    from filterscope.pipeline.methods.anchorings.stage import ANCHORINGS

    return (ANCHORINGS,)


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.dissection.needs import Concepts

    return (Concepts(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.anchorings.findings import FINDINGS

    return FINDINGS


def _seconds(factors: Mapping[str, float], size: Size) -> Mapping[str, float]:
    return {"anchorings": size.pairs * factors["anchorings_pair"]}


METHOD = Method(
    name="anchorings",
    about="Labels under the other anchoring",
    source="Bau et al. 2017, Network Dissection, section 2.2; a decision of ours",
    stages=stages,
    needs=needs,
    findings=findings,
    cost=Cost(("anchorings_pair",), _seconds),
    unstored=True,
    default=True,
)

__all__ = ["METHOD"]
