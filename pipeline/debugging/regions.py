"""Where views show the regions that an audit edits: to paint over what an attribute should not depend on, and to paste."""

import numpy as np

from filterscope.pipeline.debugging.material import Material, Side
from filterscope.pipeline.debugging.measure import Region
from filterscope.pipeline.debugging.problem import Problem
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.bias.regions import Shown
from filterscope.pipeline.methods.bias.tables import Region as Stated
from filterscope.pipeline.run.plan import Plan, PlannedModel


def regions_of(plan: Plan, model: PlannedModel, material: Material, problem: Problem) -> tuple[Region, ...]:
    """Return the regions of the audit that say which attributes are seen there, in the views that measure."""
    if problem.pair is None or "bias" not in plan.options.methods:
        return ()
    shown, views = Shown(plan, model), material.measuring()
    stated = [region for region in shown.regions if region.own]
    return tuple(Region(one.name, one.own, _masks(plan, shown, material.new, one, views)) for one in stated)


def pasted_region(
    plan: Plan, model: PlannedModel, material: Material, problem: Problem
) -> tuple[np.ndarray | None, ...]:
    """Return the mask of the region where the other attribute of a pair is seen, for each view of the training.

    Raises
    ------
    InputError
        If the audit does not say where that is.
    """
    assert problem.pair is not None
    other = problem.pair[1]
    if "bias" in plan.options.methods:
        shown = Shown(plan, model)
        for region in shown.regions:
            if other in region.own:
                masks = _masks(plan, shown, material.old, region, np.arange(len(material.old.views)))
                if any(mask is not None for mask in masks):
                    return masks
    raise InputError(
        f"paste needs the region where {other} is seen in the training images: audit with --bias.regions, a CSV whose "
        f"column own names {other}; boxes hold in all images, landmarks and concepts in those of the audited data set alone"
    )


def _masks(plan: Plan, shown: Shown, side: Side, region: Stated, views: np.ndarray) -> tuple[np.ndarray | None, ...]:
    if region.box is not None:
        return (shown.of(0, region.name),) * len(views)
    if plan.data_identity != side.identity or plan.options.view_settings != side.settings:
        return (None,) * len(views)
    return tuple(shown.of(view, region.name) for view in views.tolist())


__all__ = ["pasted_region", "regions_of"]
