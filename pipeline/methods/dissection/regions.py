"""The region of a map that is above its unit's threshold, outlined as the run draws it on masks."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.dissection.masks import unpack
from filterscope.operators.images.outline import map_outline, outline
from filterscope.pipeline.methods.dissection.anchors import axes_of, survey_drawing
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

Polygons = list[NDArray[np.float64]]
#: Outlines a stored map (float16, shape (h, w)) at a threshold in the scale of stored values.
Outline = Callable[[NDArray[np.float16], float], Polygons]


def outline_of(plan: Plan, model: PlannedModel, layer: Layer, samples: tuple[int, int]) -> Outline:
    """Return what outlines the region above T of a layer's maps.

    Parameters
    ----------
    samples : tuple of 2 int
        Rows and columns of samples that the outline is interpolated between; in the survey's mode those of the masks.

    Returns
    -------
    callable
        Returns polygons in the unit square, as `operators.images.outline.outline` does.
    """
    if plan.of(DissectionOptions).mask_mode != "survey":
        rows, columns = axes_of(plan, model, layer, samples)
        return partial(map_outline, rows=rows, columns=columns)
    draw, width = survey_drawing(plan, model, layer), mask_size(plan, model)[1]

    def fields(activation: NDArray[np.float16], level: float) -> Polygons:
        maximum, limit = np.array([[activation.max()]], np.float32), np.array([level], np.float32)
        drawn = unpack(draw(activation[None, None], maximum, limit).words, width)
        return outline(drawn[0].astype(np.float64), 0.5) if len(drawn) else []

    return fields


__all__ = ["Outline", "Polygons", "outline_of"]
