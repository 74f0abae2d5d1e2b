"""Top images of units with the region above the threshold, as outlines over shared thumbnails."""

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope import schemas
from filterscope.jobs.report.thumbnails import SAMPLES, Look, path_of
from filterscope.operators.dissection.masks import unpack
from filterscope.operators.images.outline import map_outline, outline
from filterscope.pipeline.methods.dissection.anchors import axes_of, survey_drawing
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

Polygons = list[NDArray[np.float64]]


def top_images(plan: Plan, model: PlannedModel, layer: Layer, look: Look, start: int, stop: int) -> pl.DataFrame:
    """Return the strongest views of units [start, stop), by unit and rank, with `path`: where the unit is above T.

    A path is the data of an SVG path in pixels of the thumbnail.
    """
    here = pl.col("unit").is_between(start, stop, closed="left")
    limits = schemas.scan_layer(plan.run, "thresholds", model.name, layer.name).filter(here).select("unit", "threshold")
    rows = schemas.scan_layer(plan.run, "top_images", model.name, layer.name).filter(here)
    frame = rows.join(limits, on="unit", how="left").sort("unit", "rank").collect()
    draw = _drawing(plan, model, layer)
    paths = []
    for height, width, stored, maximum, threshold in frame.select(
        "height", "width", "map", "maximum", "threshold"
    ).iter_rows():
        # maps are stored as the network gave them times the scale; thresholds are natural
        scale = plan.options.activation_scale
        activation = np.frombuffer(stored, "<f2").reshape(height, width).copy()
        above = threshold is not None and maximum > threshold
        paths.append(path_of(draw(activation, threshold * scale), look.size) if above else "")
    return frame.drop("map", "threshold").with_columns(pl.Series("path", paths, dtype=pl.String))


def _drawing(plan: Plan, model: PlannedModel, layer: Layer) -> Callable[[NDArray[np.float16], float], Polygons]:
    """Return how the region above T is outlined: as the run draws it."""
    if plan.of(DissectionOptions).mask_mode != "survey":
        rows, columns = axes_of(plan, model, layer, (SAMPLES, SAMPLES))
        return partial(map_outline, rows=rows, columns=columns)
    draw, width = survey_drawing(plan, model, layer), mask_size(plan, model)[1]

    def fields(activation: NDArray[np.float16], level: float) -> Polygons:
        maximum, limit = np.array([[activation.max()]], np.float32), np.array([level], np.float32)
        drawn = unpack(draw(activation[None, None], maximum, limit).words, width)
        return outline(drawn[0].astype(np.float64), 0.5)

    return fields


__all__ = ["top_images"]
