"""Stages of effective fields: the fields, those of the network with shuffled weights, and strips of images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from filterscope.operators.location.effective_field import SHARES
from filterscope.pipeline.engine.keys import Key, Keys, blocks
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.effective_field.asked import (
    POOL,
    TOP,
    FieldTask,
    control_units,
    measured_units,
    strip_units,
)
from filterscope.pipeline.methods.effective_field.costs import FIELD_UNITS, STRIP_UNITS
from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import each_model, key_of
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table

Chosen = Callable[[Plan, PlannedModel, Layer], np.ndarray]


def _planned(chosen: Chosen, size: int, called: str, kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a key for each model, layer and block of the units that are chosen.

    Raises
    ------
    InputError
        If a unit that is asked for is not in a layer.
    """
    from filterscope.pipeline.methods.effective_field import measuring  # imports torch

    tasks: dict[Key, FieldTask] = {}
    for model, own in each_model(plan):
        for layer in model.layers:
            units = chosen(plan, model, layer)
            for block, start, stop in blocks("units", len(units), size):
                key = key_of(kind, (model.name, layer.name, block), model, prints)
                tasks[key] = FieldTask(key, own, model, layer, start, stop, tuple(units[start:stop].tolist()))
    step = forward_step(plan, getattr(measuring, called))
    return [Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (step,))]


def _works(tasks: dict[Key, FieldTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


def _strips(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    chosen = strip_units(plan, model, layer)
    return chosen if plan.of(EffectiveFieldOptions).strips else chosen[:0]


def _of_fields(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    named = plan.of(ReceptiveFieldOptions).units
    stated = {"images": plan.of(EffectiveFieldOptions).images, "shares": list(SHARES), "block": FIELD_UNITS}
    return {**stated, **({"units": named} if named else {})}


def _of_controls(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    return {**_of_fields(plan, model), "controls": plan.of(EffectiveFieldOptions).controls}


def _of_strips(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    asked, named = plan.of(EffectiveFieldOptions), plan.of(ReceptiveFieldOptions).units
    return {
        "strips": asked.strips,
        **({"units": named} if named else {"strip_units": asked.strip_units}),
        "quantile": plan.of(DissectionOptions).quantile,
        "pool": POOL,
        "top": TOP,
        "share": SHARES[0],
        "block": STRIP_UNITS,
    }


EFFECTIVE = StageKind(
    "effective-field",
    reads=(MAXIMA,),
    writes=(Table("effective_fields"),),
    plan=partial(_planned, measured_units, FIELD_UNITS, "Measurer"),
    parameters=_of_fields,
)
CONTROLS = StageKind(
    "effective-control",
    reads=(MAXIMA,),
    writes=(Table("effective_controls"),),
    plan=partial(_planned, control_units, FIELD_UNITS, "ControlMeasurer"),
    parameters=_of_controls,
)
STRIPS = StageKind(
    "field-strips",
    reads=(MAXIMA,),
    writes=(Table("field_strips"),),
    plan=partial(_planned, _strips, STRIP_UNITS, "StripDrawer"),
    parameters=_of_strips,
)

__all__ = ["CONTROLS", "EFFECTIVE", "STRIPS"]
