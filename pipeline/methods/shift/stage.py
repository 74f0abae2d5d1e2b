"""Stage `shift`: two crops of each of some views, a known number of pixels apart, through a network; no activations are read.

A piece of work is a model and a category; all layers share its passes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.location.follows_shift import LONGEST, SHORTEST, corners_of, follows_shift, margin
from filterscope.operators.location.location_instability import field_centres
from filterscope.operators.location.triggering import triggered_among
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage, Work
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.shift.options import FEWEST, ShiftOptions
from filterscope.pipeline.methods.tasks import chosen_views, each_model, grids, start_of
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.views.geometry import Geometry
from filterscope.schemas.results import TABLES

#: Views that are decoded and run at once.
_AT_ONCE = 16


@dataclass(frozen=True)
class ShiftTask:
    """The views of one category through one model, for the layers in `keys`."""

    keys: tuple[Key, ...]
    plan: Plan
    model: PlannedModel
    category: str | None


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what following depends on beside the network and the views."""
    return {"views": plan.of(ShiftOptions).views, "way": [SHORTEST, LONGEST]}


def categories_of(plan: Plan) -> list[str | None]:
    """Return the categories of a run's views, in order; None alone where the views are whole images."""
    return sorted({category for category in plan.views.category if category is not None}) or [None]


def plan_shifts(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan a piece of work for each model and category: a key for each of its layers."""
    cuts = [(f"category-{number}", number, number + 1) for number in range(len(categories_of(plan)))]
    plans = {model.name: own for model, own in each_model(plan)}
    return [Stage(kind.name, grids(kind, plan, prints, cuts), partial(_works, plans), (forward_step(plan, _Shifter),))]


def _works(plans: dict[str, Plan], missing: Iterable[Key]) -> Iterator[Work]:
    for (model, block), found in groupby(missing, key=lambda key: (key.place[0], key.place[2])):
        keys, own = tuple(found), plans[model]
        yield Work(keys, ShiftTask(keys, own, own.model(model), categories_of(own)[start_of(block)]))


def shifted_views(plan: Plan, category: str | None) -> np.ndarray:
    """Return the views of a category that are shifted, ascending: drawn by their numbers, none mirrored."""
    views = plan.views
    mine = np.flatnonzero([of_view == category for of_view in views.category] & ~views.flip)
    drawn = sorted(mine.tolist(), key=lambda view: seed_of("shift", "views", view))
    return np.sort(np.array(drawn[: plan.of(ShiftOptions).views], np.int64))


def canvas_of(geometry: Geometry) -> Geometry:
    """Return the geometry of the canvas that crops of the input's size are cut from."""
    height, width = geometry.size
    room = margin(min(height, width))
    larger = round(geometry.shorter * (min(height, width) + room) / min(height, width))
    return replace(geometry, size=(height + room, width + room), shorter=larger)


@dataclass
class _Seen:
    """What one layer shows on the pairs so far: moves (n, U, 2) and the weaker maximum of each pair (n, U)."""

    moved: list[np.ndarray]
    strength: list[np.ndarray]


class _Shifter:
    """Holds the networks it used last; called once for each category."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: ShiftTask) -> list[Output]:
        layers = {key.place[1]: task.model.layer(key.place[1]) for key in task.keys}
        network = self._networks.network(task.plan, task.model, tuple(layers))
        found = {name: _Seen([], []) for name in layers}
        views, content, images = shifted_views(task.plan, task.category), [], []
        for start in range(0, len(views), _AT_ONCE):
            pairs, way, kept = _pairs(task, views[start : start + _AT_ONCE])
            if len(kept):
                maps = network.maps(pairs)
                for name, layer in layers.items():
                    _add(found[name], maps[name], layer)
            content.append(way)
            images.append(task.plan.views.image[kept].astype(np.int64))
        ways, sources = np.concatenate(content), np.concatenate(images)
        return [_written(task, key, found[key.place[1]], ways, sources) for key in task.keys]


def _pairs(task: ShiftTask, views: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first and second crops in turn, how far the content moves between them, and the views that could be read."""
    geometry = task.model.geometry(task.plan.options.geometry)
    height, width = geometry.size
    decoded = chosen_views(task.plan, task.model, views.tolist(), canvas_of(geometry))
    kept = np.flatnonzero([not reason for reason in decoded.reasons])
    pairs = np.empty((2 * len(kept), height, width, 3), np.uint8)
    content = np.empty((len(kept), 2))
    seed = seed_of("shift", task.plan.data_identity)
    for row, at in enumerate(kept.tolist()):
        corners = corners_of(int(views[at]), seed, min(height, width))
        for number, (top, left) in enumerate(corners):
            pairs[2 * row + number] = decoded.pixels[at, top : top + height, left : left + width]
        # a crop from further down shows the content further up
        content[row] = corners[0] - corners[1]
    return pairs, content, views[kept]


def _add(seen: _Seen, maps: np.ndarray, layer: Layer) -> None:
    if layer.field is None:
        raise RunError(f"layer {layer.name!r} has no receptive field")
    flat = maps.reshape(*maps.shape[:2], -1)
    place = field_centres(flat.argmax(axis=2), maps.shape[3], layer.field.centre, layer.field.stride)
    highest = flat.max(axis=2)
    place[highest == flat.min(axis=2)] = np.nan
    seen.moved.append(place[1::2] - place[::2])
    seen.strength.append(np.minimum(highest[::2], highest[1::2]).astype(np.float32))


def _written(task: ShiftTask, key: Key, seen: _Seen, content: np.ndarray, images: np.ndarray) -> Output:
    units = task.model.layer(key.place[1]).channels
    moved = np.concatenate(seen.moved) if seen.moved else np.zeros((0, units, 2))
    strength = np.concatenate(seen.strength) if seen.strength else np.zeros((0, units), np.float32)
    found = follows_shift(moved, content, images, FEWEST)
    hits = _triggered(np.where(np.isnan(moved[..., 0]), -np.inf, strength))
    strongest = follows_shift(np.where(hits[..., None], moved, np.nan), content, images, FEWEST)
    some = np.where(found.views > 0, found.views, 1)
    columns = {
        "model": [task.model.name] * units,
        "layer": [key.place[1]] * units,
        "unit": np.arange(units, dtype=np.int32),
        "category": [task.category] * units,
        "follows_shift": found.slope,
        "standard_error": found.error,
        "views": found.views,
        "no_maximum": len(moved) - found.views,
        "triggered_follows_shift": strongest.slope,
        "triggered_share": np.where(found.views > 0, strongest.views / some, np.nan),
    }
    schema = TABLES["follows_shift"]
    arrays = [pa.array(columns[field.name], field.type, from_pandas=field.nullable) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    rows, digest = write_table(task.plan.run, "follows_shift", key.place, [table])
    return Output(key, rows, 2 * len(content), checksums={"follows_shift": digest})


def _triggered(strength: np.ndarray) -> np.ndarray:
    """Return which pairs trigger each unit, bool of shape (n, U)."""
    order = np.argsort(-strength, axis=0, kind="stable")
    hits = np.zeros(strength.shape, bool)
    np.put_along_axis(hits, order, triggered_among(np.take_along_axis(strength, order, 0).T).T, axis=0)
    return hits


SHIFT = StageKind(
    "shift", reads=(), writes=(Table("follows_shift"),), plan=plan_shifts, parameters=parameters, like=("extract",)
)

__all__ = ["SHIFT", "canvas_of", "categories_of", "shifted_views"]
