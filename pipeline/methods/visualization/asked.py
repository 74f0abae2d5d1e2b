"""Which units pictures are made for, and what a piece of work is told."""

from dataclasses import dataclass

import numpy as np

from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.methods.units import named_or_drawn
from filterscope.pipeline.methods.visualization.options import VisualizationOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel


@dataclass(frozen=True)
class PictureTask(BlockTask):
    """Some units of one layer, `start` to `stop` - 1 of those that pictures are made for."""

    units: tuple[int, ...]


def chosen_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the units of a layer that pictures are made for, ascending: those of ``--units``, or drawn ones.

    Raises
    ------
    InputError
        If a unit that is named is not in the layer.
    """
    return named_or_drawn(plan.of(ReceptiveFieldOptions).units, plan.of(VisualizationOptions).sample, model, layer)


__all__ = ["PictureTask", "chosen_units"]
