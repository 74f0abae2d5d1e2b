"""Labels against permuted annotations and on held-out images."""

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
        from filterscope.pipeline.methods import dissection
        from filterscope.pipeline.methods.significance.significance import UNTESTED

        return *dissection.METHOD.stages(options), UNTESTED
    from filterscope.pipeline.methods.dissection.annotations import ANNOTATIONS_STAGE
    from filterscope.pipeline.methods.significance.null import NULL_STAGE
    from filterscope.pipeline.methods.significance.significance import SIGNIFICANCE

    return ANNOTATIONS_STAGE, NULL_STAGE, SIGNIFICANCE


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.dissection.needs import Concepts

    return (Concepts(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.significance.findings import FINDINGS

    return FINDINGS


def _seconds(factors: Mapping[str, float], size: Size) -> Mapping[str, float]:
    return {"significance": size.pairs * factors["significance_pair"]}


METHOD = Method(
    name="significance",
    about="Labels against permuted annotations and on held-out images",
    source="A decision of ours; q values of Storey & Tibshirani 2003, permutations of Phipson & Smyth 2010",
    stages=stages,
    needs=needs,
    findings=findings,
    cost=Cost(("significance_pair",), _seconds),
    unstored=True,
    default=True,
)

__all__ = ["METHOD"]
