"""Which units and views are asked about, and what a piece of work is told."""

from dataclasses import dataclass

import numpy as np

from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.methods.units import named_or_drawn
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Drawn views that T of a strip comes from.
POOL = 64
#: Strongest views in a strip.
TOP = 3


@dataclass(frozen=True)
class FieldTask(BlockTask):
    """Some units of one layer, `start` to `stop` - 1 of those that are measured."""

    units: tuple[int, ...]


def _named(plan: Plan) -> str | None:
    return plan.of(ReceptiveFieldOptions).units


def measured_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the units of a layer that are measured, ascending: those of ``--units``, or all.

    Raises
    ------
    InputError
        If a unit that is named is not in the layer.
    """
    return named_or_drawn(_named(plan), layer.channels, model, layer)


def control_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return those that are measured in the network with shuffled weights too, the first of the named ones."""
    count = plan.of(EffectiveFieldOptions).controls
    return named_or_drawn(_named(plan), count, model, layer)[:count]


def strip_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return those that strips are made for."""
    return named_or_drawn(_named(plan), plan.of(EffectiveFieldOptions).strip_units, model, layer)


__all__ = ["POOL", "TOP", "FieldTask", "control_units", "measured_units", "strip_units"]
