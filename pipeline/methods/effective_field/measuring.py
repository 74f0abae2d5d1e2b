"""Takes gradients of units, and measures and draws what they say."""

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.location.effective_field import (
    SHARES,
    EffectiveField,
    around_centres,
    effective_field,
    uniform,
)
from filterscope.operators.location.location_instability import field_centres
from filterscope.operators.location.occlusion import NOWHERE, Recentred
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.attribution.controls import randomised
from filterscope.pipeline.methods.dissection.anchors import grid_of
from filterscope.pipeline.methods.effective_field.asked import FieldTask
from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.methods.effective_field.slopes import AtMaximum, batched, decoded, magnitudes
from filterscope.pipeline.methods.effective_field.strips import strips_of
from filterscope.pipeline.methods.extraction.networks import HeldNetworks
from filterscope.pipeline.methods.pictures import grey, png
from filterscope.pipeline.methods.units import strongest_of
from filterscope.pipeline.models.field import box
from filterscope.pipeline.models.gradients import tapped_for
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Gradients that are held at once, unless a unit has more.
TOGETHER = 64
#: Largest side of the picture of a field, in pixels.
SIDE = 96


class Measurer:
    """Called once for each block of units; holds the networks it used last."""

    table = "effective_fields"

    def __init__(self) -> None:
        self._networks = HeldNetworks()

    def network(self, task: FieldTask) -> Network:
        """Return the network that gradients are taken through."""
        return self._networks.network(task.plan, task.model, (task.layer.name,))

    def __call__(self, task: FieldTask) -> list[Output]:
        """Measure a block of units and write its part of the table."""
        network, units = batched(self.network(task), task.plan.options.device), np.array(task.units, np.int64)
        views = strongest_of(task.plan, task.model, task.layer, units, task.plan.of(EffectiveFieldOptions).images)
        pixels = decoded(task, views) if views.size else {}
        rows, together = [], max(TOGETHER // max(views.shape[1], 1), 1)
        for first in range(0, len(units), together):
            part = slice(first, first + together)
            rows += self.rows(task, network, units[part], views[part], pixels)
        content = pa.Table.from_pylist(rows, schema=TABLES[self.table])
        count, digest = write_table(task.plan.run, self.table, task.key.place, [content])
        return [Output(task.key, count, views.size, checksums={self.table: digest})]

    def rows(
        self, task: FieldTask, network: Network, units: np.ndarray, views: np.ndarray, pixels: dict[int, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Measure units, (U,), on their strongest views, (U, n)."""
        count, of = views.shape[1], AtMaximum(task.layer.name)
        maps = np.zeros((0, *task.model.transform.input_size), np.float32)
        if count:
            shown = np.stack([pixels[view] for view in views.ravel().tolist()])
            maps = magnitudes(network, shown, of, units.repeat(count))
        position = np.concatenate([np.zeros(0, np.int64), *of.positions])
        found = []
        for number, unit in enumerate(units.tolist()):
            own = np.arange(number * count, (number + 1) * count)
            own = own[position[own] != NOWHERE]
            known = {"model": task.model.name, "layer": task.layer.name, "unit": unit, "images": len(own)}
            found.append({**known, **self.measured(task, maps[own], position[own])})
        return found

    def measured(self, task: FieldTask, maps: np.ndarray, position: np.ndarray) -> dict[str, Any]:
        """Return the columns that are measured, from magnitudes and where the unit is largest."""
        centres = field_centres(position, task.layer.width, *grid_of(task.model, task.layer))
        around = around_centres(maps, centres) if len(maps) else None
        found = effective_field(around) if around is not None else None
        columns: dict[str, Any] = {"theoretical_size": None, "picture": _picture(task, around), **_shape(found)}
        field = task.layer.field
        if field is not None:
            columns["theoretical_size"] = sqrt(field.size[0] * field.size[1])
        if found is None or field is None:
            return columns
        boxes = [box(field, place // task.layer.width, place % task.layer.width) for place in position.tolist()]
        alike = effective_field(uniform(task.model.transform.input_size, boxes, centres))
        columns |= {"offset_y": found.offset[0], "offset_x": found.offset[1]}
        if alike is not None:
            columns |= {"uniform68": alike.radii[0], "uniform95": alike.radii[1]}
        return columns


class ControlMeasurer(Measurer):
    """The same through the network with its weights in another order."""

    table = "effective_controls"

    def __init__(self) -> None:
        super().__init__()
        self._twin: tuple[tuple[str, str], Network] | None = None

    def network(self, task: FieldTask) -> Network:
        """Return the network whose weights are shuffled."""
        key = task.model.name, task.layer.name
        if self._twin is None or self._twin[0] != key:
            twin = randomised(task.plan, task.model, "all", centred=True)
            taps = tapped_for(twin.taps, (task.layer.name,))
            self._twin = key, replace(twin, taps=taps, layers=(task.layer.name,))
        return self._twin[1]

    def measured(self, task: FieldTask, maps: np.ndarray, position: np.ndarray) -> dict[str, Any]:
        """Return the columns of a control."""
        centres = field_centres(position, task.layer.width, *grid_of(task.model, task.layer))
        shape = _shape(effective_field(around_centres(maps, centres)) if len(maps) else None)
        return {name: shape[name] for name in ("radius68", "radius95", "anisotropy")}


class StripDrawer(Measurer):
    """Draws views with what the active cells of a unit see of them."""

    table = "field_strips"

    def __call__(self, task: FieldTask) -> list[Output]:
        """Draw the strips of a block of units and write its part of `field_strips`."""
        network = batched(self.network(task), task.plan.options.device)
        rows = strips_of(task, network)
        content = pa.Table.from_pylist(rows, schema=TABLES[self.table])
        count, digest = write_table(task.plan.run, self.table, task.key.place, [content])
        return [Output(task.key, count, checksums={self.table: digest})]


def _shape(found: EffectiveField | None) -> dict[str, float | None]:
    if found is None:
        return dict.fromkeys(("radius68", "radius95", "anisotropy", "angle"))
    assert len(SHARES) == 2
    angle = None if np.isnan(found.angle) else found.angle
    return {"radius68": found.radii[0], "radius95": found.radii[1], "anisotropy": found.anisotropy, "angle": angle}


def _picture(task: FieldTask, around: Recentred | None) -> bytes:
    """Return the roots of a field about its theoretical centre, as far as theory says it reaches."""
    extent = task.model.transform.input_size
    sizes = extent if task.layer.field is None else task.layer.field.size
    reach = [min(own, whole) // 2 for own, whole in zip(sizes, extent, strict=True)]
    window = np.zeros([2 * here + 1 for here in reach])
    if around is not None:
        mean = np.pad(around.mean, [(here, here) for here in reach])
        top, left = (int(np.floor(place + 0.5)) for place in around.origin)
        # the centre may lie outside of every image
        cut = mean[max(top, 0) : top + 2 * reach[0] + 1, max(left, 0) : left + 2 * reach[1] + 1]
        window[: cut.shape[0], : cut.shape[1]] = cut
    return png(grey(np.sqrt(window), float(np.sqrt(window.max()))), side=SIDE)


__all__ = ["ControlMeasurer", "Measurer", "StripDrawer"]
