"""Top images of units with the region above the threshold, as outlines over shared thumbnails."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope import schemas
from filterscope.jobs.report.sections.thumbnails import SAMPLES, Look, Slots, path_of
from filterscope.operators.dissection.masks import unpack
from filterscope.operators.images.outline import map_outline, outline
from filterscope.pipeline.methods.dissection.anchors import axes_of, survey_drawing
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
        paths.append(path_of(draw(activation, threshold * scale), look) if above else "")
    return frame.drop("map", "threshold").with_columns(pl.Series("path", paths, dtype=pl.String))


def _drawing(plan: Plan, model: PlannedModel, layer: Layer) -> Callable[[NDArray[np.float16], float], Polygons]:
    """Return how the region above T is outlined: as the run draws it."""
    if plan.options.mask_mode != "survey":
        rows, columns = axes_of(plan, model, layer, (SAMPLES, SAMPLES))
        return partial(map_outline, rows=rows, columns=columns)
    draw, width = survey_drawing(plan, model, layer), plan.mask_size(model)[1]

    def fields(activation: NDArray[np.float16], level: float) -> Polygons:
        maximum, limit = np.array([[activation.max()]], np.float32), np.array([level], np.float32)
        drawn = unpack(draw(activation[None, None], maximum, limit).words, width)
        return outline(drawn[0].astype(np.float64), 0.5)

    return fields


def write_slots(site: Path, slots: Slots) -> None:
    """Keep which view lies in which slot, for the workers and for a reader of the site."""
    path = site / "thumbnails" / slots.look.key / "views.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, slots.view)


@lru_cache(maxsize=4)
def read_slots(site: Path, look: Look, views: int, digest: str) -> Slots:
    """Read the slots of a look; `digest` keeps apart what a site held at times."""
    view = np.load(site / "thumbnails" / look.key / "views.npy", allow_pickle=False)
    slot = np.full(views, -1, np.int32)
    slot[view] = np.arange(len(view), dtype=np.int32)
    return Slots(look, view, slot)


__all__ = ["read_slots", "top_images", "write_slots"]
