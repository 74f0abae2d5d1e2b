"""Stage `locate`: location instability of a block of units, beside baselines without evidence, from stored activations.

One pass over the views keeps each unit's strongest views of every category and landmark; only those are measured, so that
memory does not grow with the number of views.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.peaks import Peaks, add_to_peaks
from filterscope.operators.location.location_instability import (
    PROTOCOLS,
    Comparison,
    Protocol,
    Steadiness,
    columns_of,
    compare,
    crop_centre,
    field_centres,
    steadiness,
    uniform_positions,
)
from filterscope.operators.location.triggering import triggered_among
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.location.options import LocationOptions
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.views.sightings import Sightings, open_sightings
from filterscope.schemas.results import TABLES

#: A unit beats a baseline under this p value.
_LEVEL = 0.05


def locate(task: BlockTask) -> list[Output]:
    """Measure one block of units and write its part of `location_instability`."""
    found = _Location(task)
    rows, digest = write_table(task.plan.run, "location_instability", task.key.place, found.tables())
    return [Output(task.key, rows, checksums={"location_instability": digest})]


@lru_cache(maxsize=2)
def _weights(images: int) -> np.ndarray:
    return poisson_weights(images, seed_of("location_instability", "bootstrap"))


class _Location:
    """One block of units on its way from activations to rows."""

    def __init__(self, task: BlockTask) -> None:
        plan = task.plan
        if task.layer.field is None:
            raise RunError(f"layer {task.layer.name!r} of {task.model.name} has no receptive field")
        self.task, self.field, self.views = task, task.layer.field, plan.views
        self.protocol: Protocol = PROTOCOLS[plan.of(LocationOptions).protocol]
        geometry = task.model.geometry(plan.options.geometry)
        self.extent = geometry.size
        self.sightings: Sightings = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
        self.units = np.arange(task.start, task.stop)
        # in a protocol that chooses images before it looks for landmarks, groups are the categories alone
        keys = [pair if self.protocol.landmark_first else pair[0] for pair in self.sightings.strata]
        self.groups = list(dict.fromkeys(keys))
        self.group_of = [self.groups.index(key) for key in keys]
        self.peaks = self._peaks()

    def _members(self, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.protocol.landmark_first:
            return self.sightings.members(views)
        group = [self.groups.index(c) if c in self.groups else -1 for c in (self.views.category[v] for v in views)]
        inside = np.array(group, np.int32) >= 0
        return np.append(0, np.cumsum(inside)), np.array(group, np.int32)[inside]

    def _peaks(self) -> Peaks:
        """Pick up each unit's strongest views; blocks of views without any landmark are not read."""
        task, options = self.task, self.task.plan.options
        store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
        span, kept = slice(task.start, task.stop), self.protocol.keep_constant
        peaks = Peaks.empty(len(self.units), len(self.groups), self.protocol.images)
        for _, start, stop in blocks("images", task.plan.view_count, options.image_block):
            maxima = store.read_maxima(start, stop, span)
            seen = np.flatnonzero(~np.isnan(maxima[:, 0]))
            first, group = self._members(start + seen)
            if len(group):
                maps = store.read(start, stop, span)
                if len(seen) < len(maps):
                    maps, maxima = maps[seen], maxima[seen]
                add_to_peaks(peaks, maps, maxima, start + seen, first, group, keep_constant=kept)
        return peaks

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows, stratum by stratum."""
        for stratum in range(len(self.sightings.strata)):
            yield self._rows(stratum, *self._compared(stratum))

    def _compared(self, stratum: int) -> tuple[Comparison, Steadiness]:
        """Measure the units on their strongest views, and on those of them that trigger them."""
        group, layer = self.group_of[stratum], self.task.layer
        view = self.peaks.view[:, group].astype(np.int64)
        place = field_centres(self.peaks.position[:, group], layer.width, self.field.centre, self.field.stride)
        seed = seed_of("uniform", self.task.model.architecture, self.task.model.weights_sha256, layer.name)
        uniform = uniform_positions(self.units[:, None], view, seed, self.extent)
        fixed = np.broadcast_to(crop_centre(self.extent), uniform.shape)
        landmark = self.sightings.places(stratum, view)
        baselines, groups = np.stack([fixed, uniform], axis=2), self.views.group[view].astype(np.int64)
        weights = _weights(self.protocol.images)
        hits = triggered_among(self.peaks.maximum[:, group])
        where = np.where(hits[..., None], landmark, np.nan)
        return (
            compare(place, landmark, baselines, groups, self.extent, self.protocol, weights),
            steadiness(place, where, self.extent, self.protocol),
        )

    def _rows(self, stratum: int, found: Comparison, triggered: Steadiness) -> pa.Table:
        count, (category, landmark) = len(self.units), self.sightings.strata[stratum]
        beats = found.p_value < _LEVEL  # False where there is no result
        columns = {
            "model": [self.task.model.name] * count,
            "layer": [self.task.layer.name] * count,
            "unit": self.units.astype(np.int32),
            "category": [category] * count,
            "landmark": [landmark] * count,
            "protocol": [self.protocol.name] * count,
            **{name: _nullable(values) for name, values in columns_of(found, triggered).items()},
            "fixed": _nullable(found.baselines[:, 0]),
            "uniform": _nullable(found.baselines[:, 1]),
            "images": found.images.astype(np.int32),
            "p_fixed": _nullable(found.p_value[:, 0]),
            "p_uniform": _nullable(found.p_value[:, 1]),
            "beats_fixed": beats[:, 0],
            "beats_uniform": beats[:, 1],
            "no_maximum": self.peaks.constant[:, self.group_of[stratum]].astype(np.int32),
            "repeated": np.full(count, self.sightings.repeated[stratum], np.int32),
            "outside": np.full(count, self.sightings.outside[stratum], np.int32),
        }
        schema = TABLES["location_instability"]
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the location instability of a model depends on, beside its activations."""
    return {"location_protocol": plan.of(LocationOptions).protocol, "unit_block": plan.options.unit_block}


LOCATE = StageKind(
    "locate",
    reads=(MAPS, MAXIMA),
    writes=(Table("location_instability"),),
    plan=by_units(locate),
    parameters=parameters,
)
