"""Stage `occlude`: how occluding parts of the strongest images of a layer's units moves their maxima.

The occluded copies of an image are made once and run once, for all layers and units that have it among their strongest.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.operators.activations.strongest import Strongest
from filterscope.operators.location.occlusion import NOWHERE, Occluders
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, Work
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.run.selection import units_in
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.places import readable, write_atomically
from filterscope.pipeline.views.decode import decode, view_files

#: Pieces that the views of a run are dealt to; the units of a layer have no more strongest images for more views.
PARTS = 64
_READ_VIEWS = 4096


@dataclass(frozen=True)
class OccludeTask:
    """One part of the views through one model, for the layers in `units`."""

    units: tuple[Unit, ...]
    plan: Plan
    model: PlannedModel
    part: int
    factory: Callable[[], Any] | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of the units."""
        named = {layer.name: layer for layer in self.model.layers}
        return tuple(named[unit.place[1]] for unit in self.units)


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the discrepancies of a model depend on."""
    options = plan.options
    # units that are named take the place of those that are drawn
    names = ("occluder", "occluder_step", "field_images", "units" if options.units else "field_units")
    return Fingerprint(
        {**{name: getattr(options, name) for name in names}, "parts": parts(plan), "fill": "random pixels"},
        {"extract": extract.fingerprint(plan, model).digest},
    )


def occlude_stage(plan: Plan, factories: dict[str, Callable[[], Any]] | None = None) -> Stage:
    """Plan the occlusions: one unit for each model, layer and part of the views.

    Raises
    ------
    InputError
        If an occluder is larger than the input of a model, or a unit that is asked for is not in a layer.
    """
    units = []
    for model in plan.models:
        _refuse_large(plan, model)
        for layer in model.layers:
            chosen_units(plan, model, layer)
        depends = fingerprint(plan, model)
        units += [
            Unit("occlude", (model.name, layer.name, f"part-{part:02d}"), depends)
            for part in range(parts(plan))
            for layer in model.layers
        ]
    return Stage(
        "occlude", tuple(units), partial(_group, plan, factories or {}), (extract.forward_step(plan, _Occluder),)
    )


def parts(plan: Plan) -> int:
    """Return the number of parts: view v belongs to part v modulo it."""
    return min(PARTS, plan.images)


def occluders_of(plan: Plan, model: PlannedModel) -> Occluders:
    """Return the boxes that cover a model's input."""
    return Occluders(model.transform.input_size, plan.options.occluder, plan.options.occluder_step)


def _refuse_large(plan: Plan, model: PlannedModel) -> None:
    height, width = model.transform.input_size
    if plan.options.occluder > min(height, width):
        raise InputError(
            f"occluders of {plan.options.occluder} pixels do not fit the {height} x {width} input of {model.name}; "
            "set --occluder and --occluder-step, such as a seventh of the input and a quarter of that"
        )


def _group(plan: Plan, factories: dict[str, Callable[[], Any]], missing: Sequence[Unit]) -> list[Work]:
    together: dict[tuple[str, str], list[Unit]] = {}
    for unit in missing:
        model, _, part = unit.place
        together.setdefault((model, part), []).append(unit)
    return [
        Work(
            tuple(units),
            OccludeTask(tuple(units), plan, plan.model(model), int(part.removeprefix("part-")), factories.get(model)),
        )
        for (model, part), units in together.items()
    ]


def chosen_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the units of a layer that are measured, ascending: those named, or drawn by the identity of both.

    Raises
    ------
    InputError
        If a unit that is named is not in the layer.
    """
    if plan.options.units:
        return np.array(units_in(plan.options.units, layer, model.name), np.int64)
    count = min(plan.options.field_units, layer.channels)
    rng = np.random.default_rng(_seed(model.weights_sha256, layer.name))
    return np.sort(rng.choice(layer.channels, count, replace=False))


def strongest_views(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the strongest views of the chosen units, best first, int64 of shape (units, at most `field_images`)."""
    units, store = chosen_units(plan, model, layer), ActivationStore(plan.run, model.name, layer.name)
    strongest = Strongest.empty(len(units))
    for start in range(0, plan.images, _READ_VIEWS):
        maxima = store.read_maxima(start, min(start + _READ_VIEWS, plan.images), slice(None))[:, units]
        seen = np.flatnonzero(~np.isnan(maxima[:, 0]))
        strongest = strongest.merge(start + seen, maxima[seen].astype(np.float32), plan.options.field_images)
    return strongest.image


def fill_of(plan: Plan, view: int, size: tuple[int, int]) -> np.ndarray:
    """Return the random pixels that the occluders of a view show, uint8 of shape (height, width, 3)."""
    return np.random.default_rng(_seed(plan.data_identity, str(view))).integers(0, 256, (*size, 3), np.uint8)


def _seed(*identity: str) -> int:
    return int.from_bytes(hashlib.sha256("/".join(identity).encode()).digest()[:8], "little")


def drops_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the discrepancies of a part lie."""
    return run.joinpath("occlusion", *place[:-1], f"{place[-1]}.npz")


@dataclass(frozen=True)
class Drops:
    """Discrepancies of pairs of a unit and one of its strongest views.

    Attributes
    ----------
    unit : int64 ndarray of shape (n,)
        Channel of the layer.
    view : int64 ndarray of shape (n,)
        Number of the view; its map has a spatial maximum.
    position : int64 ndarray of shape (n,)
        Where that is, row-major.
    drop : float32 ndarray of shape (n, B)
        How far each box moves the activation there.
    """

    unit: np.ndarray
    view: np.ndarray
    position: np.ndarray
    drop: np.ndarray

    @classmethod
    def joined(cls, parts: "Sequence[Drops]") -> "Drops":
        """Put parts together (at least one), by unit and then by view."""
        names = ("unit", "view", "position", "drop")
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        order = np.lexsort((columns[1], columns[0]))
        return cls(*(column[order] for column in columns))

    @classmethod
    def read(cls, run: Path, place: Sequence[str]) -> "Drops":
        """Read one part."""
        with np.load(readable(drops_path(run, place)), allow_pickle=False) as stored:
            return cls(**stored)

    def write(self, run: Path, place: Sequence[str]) -> str:
        """Write one part; return its SHA-256."""
        sink = io.BytesIO()
        np.savez_compressed(sink, **vars(self))
        write_atomically(drops_path(run, place), sink.getvalue())
        return hashlib.sha256(sink.getvalue()).hexdigest()


class _Occluder:
    """Holds the networks it used last; called once for each part."""

    def __init__(self) -> None:
        from filterscope.pipeline.models.held import HeldModels

        self._models = HeldModels()

    def __call__(self, task: OccludeTask) -> list[Output]:
        asked = {layer.name: _asked(task, layer) for layer in task.layers}
        occluders = occluders_of(task.plan, task.model)
        empty = np.zeros(0, np.int64)
        found = {name: [Drops(empty, empty, empty, _no_drops(occluders))] for name in asked}
        copies = 0
        for view in sorted({view for units in asked.values() for view in units}):
            copies += self._occlude(task, view, asked, occluders, found)
        outputs = []
        for unit in task.units:
            drops = Drops.joined(found[unit.place[1]])
            digest = drops.write(task.plan.run, unit.place)
            outputs.append(Output(unit, len(drops.unit), copies, checksums={"occlusion": digest}))
        return outputs

    def _occlude(
        self,
        task: OccludeTask,
        view: int,
        asked: dict[str, dict[int, np.ndarray]],
        occluders: Occluders,
        found: dict[str, list[Drops]],
    ) -> int:
        """Occlude one view, add what its units do to `found`, and return the copies that were run."""
        from filterscope.pipeline.models.occluded import discrepancies

        forward = self._models.forward(task.plan, task.model, tuple(asked), task.factory)
        # at full precision: an occluded copy may go beyond float16, and differences are small
        forward.taps.dtype = None
        layers = [layer for layer in task.layers if view in asked[layer.name]]
        wanted = {layer.name: asked[layer.name][view] for layer in layers}
        fill = fill_of(task.plan, view, occluders.extent)
        here, copies = discrepancies(forward, layers, wanted, _pixels(task, view), fill, occluders)
        for name, units in wanted.items():
            somewhere = here[name].position != NOWHERE
            views = np.full(somewhere.sum(), view, np.int64)
            found[name].append(
                Drops(units[somewhere], views, here[name].position[somewhere], here[name].drop[somewhere])
            )
        return copies


def _no_drops(occluders: Occluders) -> np.ndarray:
    return np.zeros((0, len(occluders.corners)), np.float32)


def _asked(task: OccludeTask, layer: Layer) -> dict[int, np.ndarray]:
    """Return the views of this part that are among the strongest of a unit, and the units of each."""
    views, units = strongest_views(task.plan, task.model, layer), chosen_units(task.plan, task.model, layer)
    mine = np.unique(views[views % parts(task.plan) == task.part])
    return {int(view): units[(views == view).any(axis=1)] for view in mine}


def _pixels(task: OccludeTask, view: int) -> np.ndarray:
    dataset, views = Dataset(task.plan.data), task.plan.views
    uri = view_files(dataset, views.image[view : view + 1])[0]
    geometry = task.model.geometry(task.plan.options.geometry)
    decoded = decode([dataset.path(uri)], geometry, [views.window(view)])
    if decoded.reasons[0]:
        raise RunError(f"{uri} was decoded before and cannot be now: {decoded.reasons[0]}")
    return decoded.pixels[0]


def projected_copies(plan: Plan) -> dict[str, int]:
    """Return the most occluded copies that the stage can run through each model."""
    return {model.name: _most_copies(plan, model) for model in plan.models}


def _most_copies(plan: Plan, model: PlannedModel) -> int:
    options, occluders = plan.options, occluders_of(plan, model)
    pairs = [len(chosen_units(plan, model, layer)) * options.field_images for layer in model.layers]
    apart = sum(count * _most_boxes(occluders, layer) for count, layer in zip(pairs, model.layers, strict=True))
    return min(apart, min(plan.images, sum(pairs)) * len(occluders.corners))


def _most_boxes(occluders: Occluders, layer: Layer) -> int:
    """Return the most boxes that meet the field of one position."""
    counts = [len(starts) for starts in occluders.starts]
    if layer.field is None or layer.field.through_global:
        return prod(counts)
    met = (-(-(size + occluders.side - 1) // occluders.step) for size in layer.field.size)
    return prod(min(count, here) for count, here in zip(counts, met, strict=True))
