"""Stage `fields`: pools the discrepancies of a layer's units into their empirical receptive fields."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.location.location_instability import field_centres
from filterscope.operators.location.occlusion import THRESHOLD, EmpiricalField, empirical_field
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.anchors import grid_of
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.receptive_field.occlude import DROPS, Drops, chosen_units, occluders_of, parts
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.models.field import box
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


def pool(task: LayerTask) -> list[Output]:
    """Measure the fields of a layer's units and write its rows of both tables."""
    place = task.key.place[:-1]
    found = [Drops.read(task.plan.run, (*place, f"part-{part:02d}")) for part in range(parts(task.plan))]
    drops = Drops.joined(found)
    units = [_unit_row(task, drops, unit) for unit in chosen_units(task.plan, task.model, task.layer).tolist()]
    rows, checksums = 0, {}
    for name, content in (("receptive_fields", units), ("layer_fields", [_layer_row(task, units)])):
        table = pa.Table.from_pylist(content, schema=TABLES[name])
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _unit_row(task: LayerTask, drops: Drops, unit: int) -> dict[str, object]:
    mine = drops.unit == unit
    position = drops.position[mine]
    occluders = occluders_of(task.plan, task.model)
    found = empirical_field(drops.drop[mine], occluders, _centres(task, position))
    return {
        "model": task.model.name,
        "layer": task.layer.name,
        "unit": unit,
        **_theoretical(task.layer, position),
        **_empirical(found, anchored=task.layer.field is not None),
        "images": len(position),
        "occluder": occluders.side,
        "step": occluders.step,
    }


def _centres(task: LayerTask, position: np.ndarray) -> np.ndarray:
    """Return the input pixels that positions are re-centred at: of the resized map where the layer has no field."""
    return field_centres(position, task.layer.width, *grid_of(task.model, task.layer))


def _theoretical(layer: Layer, position: np.ndarray) -> dict[str, float | None]:
    if layer.field is None:
        return {"theoretical_size": None, "theoretical_area": None}
    areas = []
    for place in position.tolist():
        (top, bottom), (left, right) = box(layer.field, place // layer.width, place % layer.width)
        areas.append(max(bottom - top + 1, 0) * max(right - left + 1, 0))
    size = sqrt(layer.field.size[0] * layer.field.size[1])
    return {"theoretical_size": size, "theoretical_area": float(np.mean(areas)) if areas else None}


def _empirical(found: EmpiricalField | None, *, anchored: bool) -> dict[str, float | int | None]:
    if found is None:
        return {"empirical_size": None, "empirical_area": None, "offset_y": None, "offset_x": None}
    y, x = found.offset if anchored else (None, None)
    return {"empirical_size": found.size, "empirical_area": found.area, "offset_y": y, "offset_x": x}


def _layer_row(task: LayerTask, units: Sequence[dict[str, Any]]) -> dict[str, object]:
    measured = [row for row in units if row["empirical_area"] is not None]
    offsets = [(row["offset_y"], row["offset_x"]) for row in measured if row["offset_y"] is not None]
    y, x = np.mean(offsets, axis=0) if offsets else (None, None)
    deviation = np.std(offsets, axis=0, ddof=1) / sqrt(len(offsets)) if len(offsets) > 1 else (None, None)
    averages = {name: _mean(measured, name) for name in ("theoretical_size", "theoretical_area")}
    averages |= {name: _mean(measured, name) for name in ("empirical_size", "empirical_area")}
    return {
        "model": task.model.name,
        "layer": task.layer.name,
        "units": len(measured),
        **averages,
        "anchor_offset_y": y,
        "anchor_offset_x": x,
        "standard_error_y": deviation[0],
        "standard_error_x": deviation[1],
    }


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return float(np.mean(values)) if values else None


FIELDS = StageKind(
    "fields",
    reads=(DROPS,),
    writes=(Table("receptive_fields"), Table("layer_fields")),
    plan=by_layer(pool),
    parameters=lambda plan, model: {"field_threshold": THRESHOLD},
)
