"""What each code of a network stands for, and whether its axes are special: encoders, decoders, pooled units of layers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.codes.encode import ENCODE
    from filterscope.pipeline.methods.codes.measure import MEASURE
    from filterscope.pipeline.methods.codes.summary import SUMMARY

    return ENCODE, MEASURE, SUMMARY


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.codes.needs import Factors

    return (Factors(),)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.codes.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.codes.costs import drawn

    return drawn(plan)


def _planned(factors: Mapping[str, float], plan: "Plan", views: int) -> Mapping[str, float]:
    from filterscope.pipeline.methods.codes.costs import planned

    return planned(factors, plan, views)


METHOD = Method(
    name="codes",
    about="What each code, capsule dimension or latent stands for, and whether axes are special",
    source="Chen et al. 2018, Isolating Sources of Disentanglement in VAEs; Eastwood & Williams 2018, A Framework for the "
    "Quantitative Evaluation of Disentangled Representations; Castro et al. 2019, Morpho-MNIST",
    stages=stages,
    options=CodesOptions,
    needs=needs,
    findings=findings,
    cost=Cost(("code_shape", "code_pair"), planned=_planned, drawn=_drawn),
    unstored=True,
)

__all__ = ["METHOD"]
