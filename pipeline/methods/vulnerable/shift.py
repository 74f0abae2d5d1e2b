"""Stage `unit-shift`: which units of a layer change where an attack changed the class, beside random noise of equal length.

Over all such views, and on each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.attacks.switched import Switches, most_changed, switched
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import LayerTask, each_model, key_of, one, view_blocks
from filterscope.pipeline.methods.vulnerable.artifacts import SHIFTS, shifts_path
from filterscope.pipeline.methods.vulnerable.asked import Attack, asked_attacks
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Units of a layer that are kept of each view.
_MOST = 5


@dataclass(frozen=True)
class ShiftTask(LayerTask):
    """One layer of one model under one attack."""

    attack: Attack


def plan_shifts(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, layer and attack."""
    tasks, attacks = {}, asked_attacks(plan.of(VulnerableOptions))
    for model, own in each_model(plan):
        for layer in model.layers:
            for attack in attacks:
                key = key_of(kind, (model.name, layer.name, attack.key), model, prints)
                tasks[key] = ShiftTask(key, own, model, layer, attack)
    return one(kind, tasks, shift_units)


def shift_units(task: ShiftTask) -> list[Output]:
    """Compare the maxima of the units of a layer under an attack and write its parts of both tables."""
    units, maxima, (views, under) = task.layer.channels, _all_maxima(task), _under(task)
    found = switched(maxima, under)
    columns = {
        "model": [task.model.name] * units,
        "layer": [task.layer.name] * units,
        "unit": np.arange(units, dtype=np.int32),
        "attack": [task.attack.name] * units,
        "strength": [task.attack.strength] * units,
        **_columns(found),
    }
    schema = TABLES["unit_shift"]
    arrays = [pa.array(columns[field.name], field.type, from_pandas=field.nullable) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    rows, checksums = 0, {}
    for name, content in (("unit_shift", table), ("view_shift", _of_views(task, found, maxima, views, under))):
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [content])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _of_views(task: ShiftTask, found: Switches, maxima: np.ndarray, views: np.ndarray, under: np.ndarray) -> pa.Table:
    """Return the rows of `view_shift`."""
    units, changes = most_changed(maxima, under, _MOST)
    count = units.shape[1]
    before, after, noise = np.take_along_axis(under, units[None], axis=2) > found.level[units]
    columns = {
        "model": [task.model.name] * units.size,
        "layer": [task.layer.name] * units.size,
        "image": np.repeat(task.plan.views.image[views], count),
        "view": np.repeat(views, count),
        "attack": [task.attack.name] * units.size,
        "strength": [task.attack.strength] * units.size,
        "rank": np.tile(np.arange(count), len(views)),
        "unit": units.ravel(),
        "change": changes[0].ravel(),
        "noise_change": changes[1].ravel(),
        "switch": _switch(before, after),
        "noise_switch": _switch(before, noise),
    }
    schema = TABLES["view_shift"]
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _switch(before: np.ndarray, after: np.ndarray) -> list[str | None]:
    turned = {(False, True): "on", (True, False): "off"}
    return [turned.get(pair) for pair in zip(before.ravel().tolist(), after.ravel().tolist(), strict=True)]


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


def _under(task: ShiftTask) -> tuple[np.ndarray, np.ndarray]:
    """Return the views that the attack changed, and maxima before, after and in noise, float32 of shape (3, n, units)."""
    number, views = str([layer.name for layer in task.model.layers].index(task.layer.name)), [np.zeros(0, np.int32)]
    parts = [np.zeros((3, 0, task.layer.channels), np.float32)]
    for block, _, _ in view_blocks(task.plan):
        place = (task.model.name, task.attack.key, block)
        promise, path = Promise(task.plan.run, ("vulnerable",), place), shifts_path(task.plan.run, place)
        if promise.stated("shifts"):
            stored = read_arrays(promise.read("shifts", path), number, "changed", "view")
            parts.append(stored[number][:, stored["changed"]])
            views.append(stored["view"][stored["changed"]])
    return np.concatenate(views), np.concatenate(parts, axis=1)


UNIT_SHIFT = StageKind(
    "unit-shift",
    reads=(SHIFTS, MAXIMA),
    writes=(Table("unit_shift"), Table("view_shift")),
    plan=plan_shifts,
)

__all__ = ["UNIT_SHIFT", "shift_units"]
