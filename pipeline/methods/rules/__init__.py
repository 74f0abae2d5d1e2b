"""Logic rules over what a network says and what images show: whether it obeys them, and what imposing them does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.rules.options import RulesOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.rules.scores import SCORING
    from filterscope.pipeline.methods.rules.stage import RULES

    return SCORING, RULES


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.outputs.needs import TrueClasses
    from filterscope.pipeline.methods.rules.needs import Grounded

    return Grounded(), TrueClasses()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.rules.findings import FINDINGS

    return FINDINGS


METHOD = Method(
    name="rules",
    about="Whether networks obey rules that a person writes, and what imposing these does",
    source="Hu, Ma, Liu, Hovy & Xing 2016, Harnessing Deep Neural Networks with Logic Rules",
    stages=stages,
    options=RulesOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=1.0),
    unstored=True,
)

__all__ = ["METHOD"]
