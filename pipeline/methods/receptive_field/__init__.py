"""Empirical receptive fields by occlusion."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from filterscope.pipeline.methods.method import Method
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import Finding, StageKind
    from filterscope.pipeline.run.options import RunOptions
    from filterscope.pipeline.run.plan import Plan


def stages(options: "RunOptions") -> "Sequence[StageKind]":
    """Return the stages of the method."""
    from filterscope.pipeline.methods.receptive_field.fields import FIELDS
    from filterscope.pipeline.methods.receptive_field.occlude import OCCLUDE

    return OCCLUDE, FIELDS


def findings() -> "Sequence[Finding]":
    """Return what it found."""
    from filterscope.pipeline.methods.receptive_field.findings import FINDINGS

    return FINDINGS


def told(plan: "Plan") -> "Sequence[str]":
    """Return what occlusion will cost, one line per model."""
    from filterscope.pipeline.methods.receptive_field import costs

    return costs.told(plan)


METHOD = Method(
    name="receptive-field",
    about="Empirical receptive fields by occlusion",
    source="Zhou et al. 2015, Object Detectors Emerge in Deep Scene CNNs, section 3.2",
    stages=stages,
    options=ReceptiveFieldOptions,
    findings=findings,
    told=told,
    slow=True,
)

__all__ = ["METHOD"]
