"""Stage `unit-shift`: which units of a layer change where an attack changed the class, beside random noise of equal length."""

from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.attacks.switched import Switches, switched
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import LayerTask, by_layer, view_blocks
from filterscope.pipeline.methods.vulnerable.artifacts import SHIFTS, shifts_path
from filterscope.pipeline.methods.vulnerable.attacks import Attack, asked_attacks
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


def shift_units(task: LayerTask) -> list[Output]:
    """Compare the maxima of the units of one layer and write its part of `unit_shift`."""
    maxima, units = _all_maxima(task), task.layer.channels
    tables = []
    for attack in asked_attacks(task.plan.of(VulnerableOptions)):
        found = switched(maxima, _under(task, attack))
        columns = {
            "model": [task.model.name] * units,
            "layer": [task.layer.name] * units,
            "unit": np.arange(units, dtype=np.int32),
            "attack": [attack.name] * units,
            "strength": [attack.strength] * units,
            **_columns(found),
        }
        schema = TABLES["unit_shift"]
        arrays = [pa.array(columns[field.name], field.type, from_pandas=field.nullable) for field in schema]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
    rows, digest = write_table(task.plan.run, "unit_shift", task.key.place, tables)
    return [Output(task.key, rows, checksums={"unit_shift": digest})]


def _columns(found: Switches) -> dict[str, Any]:
    units = len(found.level)
    return {"views": np.full(units, found.views, np.int32), **{name: getattr(found, name) for name in _MEASURES}}


_MEASURES = (
    "shift",
    "size",
    "noise_size",
    "larger",
    "level",
    "on",
    "off_after",
    "off_in_noise",
    "on_after",
    "on_in_noise",
)


def _all_maxima(task: LayerTask) -> np.ndarray:
    """Return the maxima of all units on every view that was decoded, float32 of shape (views, units)."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    found = store.read_maxima(0, task.plan.view_count, slice(None)).astype(np.float32)
    return found[~np.isnan(found[:, 0])] / np.float32(task.plan.options.activation_scale)


def _under(task: LayerTask, attack: Attack) -> np.ndarray:
    """Return maxima before, after and in noise on the views that an attack changed, float32 of shape (3, n, units)."""
    number, parts = str([layer.name for layer in task.model.layers].index(task.layer.name)), []
    for block, _, _ in view_blocks(task.plan):
        place = (task.model.name, attack.key, block)
        promise, path = Promise(task.plan.run, ("vulnerable",), place), shifts_path(task.plan.run, place)
        if promise.stated("shifts"):
            stored = read_arrays(promise.read("shifts", path), number, "changed")
            parts.append(stored[number][:, stored["changed"]])
    return np.concatenate(parts, axis=1) if parts else np.zeros((3, 0, task.layer.channels), np.float32)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return which attacks rows are about; all else is in what the attacks depend on."""
    return {"attacks": [attack.key for attack in asked_attacks(plan.of(VulnerableOptions))]}


UNIT_SHIFT = StageKind(
    "unit-shift",
    reads=(SHIFTS, MAXIMA),
    writes=(Table("unit_shift"),),
    plan=by_layer(shift_units),
    parameters=parameters,
)

__all__ = ["UNIT_SHIFT", "shift_units"]
