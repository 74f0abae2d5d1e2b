"""Pictures that units answer to most strongly, and whether they answer more strongly than to the data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Cost, Method
from filterscope.pipeline.methods.visualization.options import VisualizationOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.visualization.stage import VISUALIZE

    return (VISUALIZE,)


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.visualization.findings import FINDINGS

    return FINDINGS


def _drawn(plan: "Plan") -> float:
    from filterscope.pipeline.methods.visualization import costs

    return costs.drawn(plan)


def told(plan: "Plan") -> "Sequence[str]":
    """Return what the pictures will cost, one line per model."""
    from filterscope.pipeline.methods.visualization import costs

    return costs.told(plan)


METHOD = Method(
    name="visualization",
    about="A picture that each unit answers to most strongly, and whether it beats the data",
    source="Olah et al. 2017, Feature Visualization",
    stages=stages,
    options=VisualizationOptions,
    findings=findings,
    cost=Cost(drawn=_drawn),
    told=told,
    slow=True,
)

__all__ = ["METHOD"]
