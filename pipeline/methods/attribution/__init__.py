"""Where in a view the score of a class comes from, by many methods, beside what looks at no network or at a random one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.attribution.options import AttributionOptions
from filterscope.pipeline.methods.method import Cost, Method

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.attribution.signal import SIGNAL_STAGE
    from filterscope.pipeline.methods.attribution.stage import ATTRIBUTION

    return SIGNAL_STAGE, ATTRIBUTION


def needs() -> "Sequence[Need]":
    """Return what must be there."""
    from filterscope.pipeline.methods.attribution.needs import Explicable, Regions

    return Regions(), Explicable()


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.attribution.findings import FINDINGS

    return FINDINGS


def told(plan: "Plan") -> "Sequence[str]":
    """Return what costly methods will take, one line per model and method."""
    from filterscope.pipeline.methods.attribution import costs

    return costs.told(plan)


METHOD = Method(
    name="attribution",
    about="Where in a view the score of a class comes from",
    source="Selvaraju et al. 2017, Grad-CAM; Zhang et al. 2016, Top-Down Neural Attention by Excitation Backprop, section 4.1; "
    "Adebayo et al. 2018, Sanity Checks for Saliency Maps",
    stages=stages,
    options=AttributionOptions,
    needs=needs,
    findings=findings,
    cost=Cost(passes=4.0),  # Grad-CAM's three, and one for the class of highest score
    told=told,
    unstored=True,
)

__all__ = ["METHOD"]
