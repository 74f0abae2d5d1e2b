"""Stage `occlude`: how occluding parts of the strongest images of a layer's units moves their maxima.

The occluded copies of an image are made once and run once, for all layers and units that have it among their strongest.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.operators.location.occlusion import NOWHERE, Occluders
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage, Work
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import each_model, grids, start_of
from filterscope.pipeline.methods.units import named_or_drawn, strongest_of
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.views.decode import decode_views, view_files

#: Pieces that the views of a run are dealt to; the units of a layer have no more strongest images for more views.
PARTS = 64


@dataclass(frozen=True)
class OccludeTask:
    """One part of the views through one model, for the layers in `keys`."""

    keys: tuple[Key, ...]
    plan: Plan
    model: PlannedModel
    part: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of the keys."""
        return tuple(self.model.layer(key.place[1]) for key in self.keys)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the discrepancies of a model depend on, beside its activations."""
    options = plan.of(ReceptiveFieldOptions)
    stated = {"occluder": options.occluder, "occluder_step": options.step, "field_images": options.images}
    # units that are named take the place of those that are drawn
    chosen = {"units": options.units} if options.units else {"field_units": options.sample}
    return {**stated, **chosen, "parts": parts(plan), "fill": "random pixels"}


def plan_occlusion(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan the occlusions: a key for each model, layer and part of the views.

    Raises
    ------
    InputError
        If an occluder is larger than the input of a model, or a unit that is asked for is not in a layer.
    """
    for model in plan.models:
        _refuse_large(plan, model)
        for layer in model.layers:
            chosen_units(plan, model, layer)
    cuts = [(f"part-{part:02d}", part, part + 1) for part in range(parts(plan))]
    plans = {model.name: own for model, own in each_model(plan)}
    return [Stage(kind.name, grids(kind, plan, prints, cuts), partial(_works, plans), (forward_step(plan, _Occluder),))]


def _works(plans: dict[str, Plan], missing: Iterable[Key]) -> Iterator[Work]:
    for (model, part), found in groupby(missing, key=lambda key: (key.place[0], key.place[2])):
        keys, own = tuple(found), plans[model]
        yield Work(keys, OccludeTask(keys, own, own.model(model), start_of(part)))


def parts(plan: Plan) -> int:
    """Return the number of parts: view v belongs to part v modulo it."""
    return min(PARTS, plan.view_count)


def occluders_of(plan: Plan, model: PlannedModel) -> Occluders:
    """Return the boxes that cover a model's input."""
    return Occluders(
        model.transform.input_size, plan.of(ReceptiveFieldOptions).occluder, plan.of(ReceptiveFieldOptions).step
    )


def _refuse_large(plan: Plan, model: PlannedModel) -> None:
    height, width = model.transform.input_size
    occluder = plan.of(ReceptiveFieldOptions).occluder
    if occluder > min(height, width):
        raise InputError(
            f"occluders of {occluder} pixels do not fit the {height} x {width} input of {model.name}; "
            "set --occluder and --occluder-step, such as a seventh of the input and a quarter of that"
        )


def chosen_units(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the units of a layer that are measured, ascending: those named, or drawn by the identity of both.

    Raises
    ------
    InputError
        If a unit that is named is not in the layer.
    """
    options = plan.of(ReceptiveFieldOptions)
    return named_or_drawn(options.units, options.sample, model, layer)


def strongest_views(plan: Plan, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the strongest views of the chosen units, best first, int64 of shape (units, at most `field_images`)."""
    return strongest_of(plan, model, layer, chosen_units(plan, model, layer), plan.of(ReceptiveFieldOptions).images)


def fill_of(plan: Plan, view: int, size: tuple[int, int]) -> np.ndarray:
    """Return the random pixels that the occluders of a view show, uint8 of shape (height, width, 3)."""
    seed = hashlib.sha256(f"{plan.data_identity}/{view}".encode()).digest()[:8]
    return np.random.default_rng(int.from_bytes(seed, "little")).integers(0, 256, (*size, 3), np.uint8)


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
        promise = Promise(run, ("occlude",), tuple(place))
        return cls(**read_arrays(promise.read("occlusion", drops_path(run, place))))

    def write(self, run: Path, place: Sequence[str]) -> str:
        """Write one part; return its SHA-256."""
        return write_arrays(drops_path(run, place), vars(self))


class _Occluder:
    """Holds the networks it used last; called once for each part."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: OccludeTask) -> list[Output]:
        asked = {layer.name: _asked(task, layer) for layer in task.layers}
        occluders = occluders_of(task.plan, task.model)
        empty = np.zeros(0, np.int64)
        found = {name: [Drops(empty, empty, empty, _no_drops(occluders))] for name in asked}
        copies = 0
        for view in sorted({view for units in asked.values() for view in units}):
            copies += self._occlude(task, view, asked, occluders, found)
        outputs = []
        for key in task.keys:
            drops = Drops.joined(found[key.place[1]])
            digest = drops.write(task.plan.run, key.place)
            outputs.append(Output(key, len(drops.unit), copies, checksums={"occlusion": digest}))
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

        network = self._networks.network(task.plan, task.model, tuple(asked))
        # at full precision: an occluded copy may go beyond float16, and differences are small
        network.taps.dtype = None
        layers = [layer for layer in task.layers if view in asked[layer.name]]
        wanted = {layer.name: asked[layer.name][view] for layer in layers}
        fill = fill_of(task.plan, view, occluders.extent)
        here, copies = discrepancies(network, layers, wanted, _pixels(task, view), fill, occluders)
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
    decoded = decode_views(dataset, views, [view], task.model.geometry(task.plan.options.geometry))
    if decoded.reasons[0]:
        uri = view_files(dataset, views.image[view : view + 1])[0]
        raise RunError(f"{uri} was decoded before and cannot be now: {decoded.reasons[0]}")
    return decoded.pixels[0]


def projected_copies(plan: Plan) -> dict[str, int]:
    """Return the most occluded copies that the stage can run through each model."""
    return {model.name: _most_copies(plan, model) for model in plan.models}


def _most_copies(plan: Plan, model: PlannedModel) -> int:
    options, occluders = plan.of(ReceptiveFieldOptions), occluders_of(plan, model)
    pairs = [len(chosen_units(plan, model, layer)) * options.images for layer in model.layers]
    apart = sum(count * _most_boxes(occluders, layer) for count, layer in zip(pairs, model.layers, strict=True))
    return min(apart, min(plan.view_count, sum(pairs)) * len(occluders.corners))


def _most_boxes(occluders: Occluders, layer: Layer) -> int:
    """Return the most boxes that meet the field of one position."""
    counts = [len(starts) for starts in occluders.starts]
    if layer.field is None or layer.field.through_global:
        return prod(counts)
    met = (-(-(size + occluders.side - 1) // occluders.step) for size in layer.field.size)
    return prod(min(count, here) for count, here in zip(counts, met, strict=True))


#: Discrepancies of a layer on a part of the views.
DROPS = Artifact.single("occlusion", drops_path)

OCCLUDE = StageKind("occlude", reads=(MAXIMA,), writes=(DROPS,), plan=plan_occlusion, parameters=parameters)
