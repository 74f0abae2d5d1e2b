"""Top images of units with the region above the threshold, as outlines over shared thumbnails."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

import schemas
from jobs.report.thumbnails import Look, Slots, path_of
from operators.outline import map_outline
from pipeline.anchors import axes_of
from pipeline.models.layer import Layer
from pipeline.plan import Plan, PlannedModel

#: Samples along each side of an outline.
SAMPLES = 80


def top_images(plan: Plan, model: PlannedModel, layer: Layer, look: Look, start: int, stop: int) -> pl.DataFrame:
    """Return the strongest views of units [start, stop), by unit and rank, with `path`: where the unit is above T.

    A path is the data of an SVG path in pixels of the thumbnail.
    """
    here = pl.col("unit").is_between(start, stop, closed="left")
    limits = schemas.scan_layer(plan.run, "thresholds", model.name, layer.name).filter(here).select("unit", "threshold")
    rows = schemas.scan_layer(plan.run, "top_images", model.name, layer.name).filter(here)
    frame = rows.join(limits, on="unit", how="left").sort("unit", "rank").collect()
    over, down = axes_of(plan, model, layer, (SAMPLES, SAMPLES))
    paths = []
    for height, width, stored, threshold in frame.select("height", "width", "map", "threshold").iter_rows():
        activation = np.frombuffer(stored, "<f2").reshape(height, width)
        # maps are stored as the network gave them times the scale; thresholds are natural
        level = np.inf if threshold is None else threshold * plan.options.activation_scale
        paths.append(path_of(map_outline(activation, level, over, down), look))
    return frame.drop("map", "threshold").with_columns(pl.Series("path", paths, dtype=pl.String))


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


__all__ = ["SAMPLES", "read_slots", "top_images", "write_slots"]
