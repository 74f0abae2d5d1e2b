"""Activation maps of the top images of units, as a page draws them over the images: 8 bits each, and where they lie."""

import base64
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope import schemas
from filterscope.pipeline.methods.dissection.anchors import grid_of
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Positions along the longer side of a map that is drawn; the maxima of neighbours stand for those of a larger one.
MOST = 32

_LEVELS = 255


def heat_maps(plan: Plan, model: PlannedModel, layer: Layer, start: int, stop: int) -> dict[str, Any]:
    """Return the maps of the top images of units [start, stop) for a script.

    Returns
    -------
    dict
        `shape`: rows and columns of every map. `grid`: for rows and columns, where the first position lies and how far
        neighbours are apart, as parts of what the network sees. `units`: for each unit lowest and highest value of its
        maps, its threshold T (None where there is none), the views, and the maps one after the other as base64 of bytes,
        from 0 for the lowest to 255 for the highest value; None for a unit without top images.
    """
    here = pl.col("unit").is_between(start, stop, closed="left")
    tops = (
        schemas.scan_layer(plan.run, "top_images", model.name, layer.name).filter(here).sort("unit", "rank").collect()
    )
    limits = schemas.scan_layer(plan.run, "thresholds", model.name, layer.name).filter(here).select("unit", "threshold")
    thresholds = dict(limits.collect().iter_rows())
    step = -(-max(layer.height, layer.width) // MOST)
    units: list[list[Any] | None] = [None] * (stop - start)
    for (unit,), rows in tops.group_by("unit", maintain_order=True):
        maps = np.stack(
            [
                np.frombuffer(stored, "<f2").reshape(height, width)
                for stored, height, width in rows.select("map", "height", "width").iter_rows()
            ]
        )
        # maps are stored as the network gave them times the scale
        coded, low, high = quantised(coarser(maps.astype(np.float32), step) / plan.options.activation_scale)
        text = base64.b64encode(coded.tobytes()).decode()
        units[int(str(unit)) - start] = [low, high, thresholds.get(unit), rows["view"].to_list(), text]
    shape = [-(-side // step) for side in (layer.height, layer.width)]
    return {"first": start, "shape": shape, "grid": _grid(plan, model, layer, step), "units": units}


def coarser(maps: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the maxima of squares of `step` x `step` positions of maps, those at the lower and right edge cut off by it."""
    if step == 1:
        return maps
    more = [(0, -side % step) for side in maps.shape[1:]]
    padded = np.pad(maps, [(0, 0), *more], mode="edge")
    count, rows, columns = padded.shape
    return padded.reshape(count, rows // step, step, columns // step, step).max(axis=(2, 4))


def quantised(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float, float]:
    """Return values as bytes from their lowest, 0, to their highest, 255, and these two; off by 1/510 of the range at most."""
    low, high = float(values.min()), float(values.max())
    scale = _LEVELS / (high - low) if high > low else 0.0
    return np.rint((values - low) * scale).astype(np.uint8), low, high


def _grid(plan: Plan, model: PlannedModel, layer: Layer, step: int) -> list[list[float]]:
    """Return where the first of `step` positions lies, and neighbours of such: as the run anchors the maps of a layer."""
    options, size = plan.of(DissectionOptions), model.transform.input_size
    if options.mask_mode != "survey" and options.anchoring == "resize":
        axes = [(0.5 / count, 1 / count) for count in (layer.height, layer.width)]
    else:
        centres, strides = grid_of(model, layer)
        axes = [((c + 0.5) / n, s / n) for c, s, n in zip(centres, strides, size, strict=True)]
    return [[round(first + (step - 1) / 2 * apart, 6), round(step * apart, 6)] for first, apart in axes]


__all__ = ["MOST", "coarser", "heat_maps", "quantised"]
