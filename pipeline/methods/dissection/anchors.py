"""How the activated pixels of a layer's maps are drawn on masks: by the run's anchoring, or as the survey does."""

from functools import partial
from typing import Protocol

import numpy as np

from filterscope.operators.dissection.activated import Activated, activated_pixels
from filterscope.operators.dissection.anchoring import Axis, receptive_field_axis, resize_axis
from filterscope.operators.dissection.survey_masks import FieldSpan, field_span, survey_pixels
from filterscope.operators.dissection.tally import half_values
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel


class Drawing(Protocol):
    """Draws the activated pixels of maps (float16, shape (n, U, h, w)) with the given maxima (n, U) above T (U,)."""

    def __call__(self, maps: np.ndarray, maxima: np.ndarray, thresholds: np.ndarray) -> Activated:
        """Return the activated pixels of the active pairs."""


def drawing_of(plan: Plan, model: PlannedModel, layer: Layer) -> Drawing:
    """Return how the run draws activated pixels."""
    if plan.of(DissectionOptions).mask_mode == "survey":
        return survey_drawing(plan, model, layer)
    rows, columns = axes_of(plan, model, layer)
    return partial(activated_pixels, rows=rows, columns=columns, half=half_values())


def survey_drawing(plan: Plan, model: PlannedModel, layer: Layer) -> Drawing:
    """Return how the survey draws activated pixels, whatever the run does: as unions of receptive fields."""
    rows, columns = (_span(plan, model, layer, which) for which in (0, 1))
    return partial(survey_pixels, rows=rows, columns=columns, half=half_values())


def _span(plan: Plan, model: PlannedModel, layer: Layer, which: int) -> FieldSpan:
    if layer.field is None:  # refused when the run is planned
        raise RunError(f"layer {layer.name!r} of {model.name} has no receptive field ({layer.no_field})")
    field, positions = layer.field, (layer.height, layer.width)[which]
    return field_span(
        positions,
        mask_size(plan, model)[which],
        extent=model.transform.input_size[which],
        centre=field.centre[which],
        stride=field.stride[which],
        size=field.size[which],
    )


def axes_of(plan: Plan, model: PlannedModel, layer: Layer, size: tuple[int, int] | None = None) -> tuple[Axis, Axis]:
    """Return how rows and columns of the masks, or of an image of another `size`, sample the maps of a layer.

    A layer without a receptive field is refused when the run is planned, not here.
    """
    rows, columns = (_axis(plan, model, layer, size or mask_size(plan, model), which) for which in (0, 1))
    return rows, columns


def grid_of(model: PlannedModel, layer: Layer) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where position (0, 0) of a layer lies and how far neighbours are apart, for y and x in input pixels.

    By the receptive fields; of the map resized to the input where the layer has none.
    """
    if layer.field is not None:
        return layer.field.centre, layer.field.stride
    rows, columns = (
        size / count for size, count in zip(model.transform.input_size, (layer.height, layer.width), strict=True)
    )
    return (rows / 2 - 0.5, columns / 2 - 0.5), (rows, columns)


def _axis(plan: Plan, model: PlannedModel, layer: Layer, sampled: tuple[int, int], which: int) -> Axis:
    positions, size = (layer.height, layer.width)[which], sampled[which]
    if plan.of(DissectionOptions).anchoring == "resize" or layer.field is None:
        return resize_axis(positions, size)
    centre, stride = layer.field.centre[which], layer.field.stride[which]
    extent = model.transform.input_size[which]
    return receptive_field_axis(positions, size, extent=extent, centre=centre, stride=stride)
