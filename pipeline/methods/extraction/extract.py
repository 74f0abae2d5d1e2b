"""Stage `extract`: decode images on CPU tasks, run the networks on actors, store activations and their maxima.

One forward pass computes all layers of a model that an image block still lacks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.datasets.layout import opened
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.methods.extraction.artifacts import DECODED, MAPS, MAXIMA
from filterscope.pipeline.methods.extraction.scale import refuse_lost, tell_vanished
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, grids, planned_views, start_of, view_blocks
from filterscope.pipeline.run.device import LABEL
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.views.decode import view_files
from filterscope.schemas.results import TABLES


@dataclass(frozen=True)
class PassTask:
    """Views `start` to `stop` - 1 through one model, for the layers in `keys`."""

    keys: tuple[Key, ...]
    plan: Plan
    model: PlannedModel
    start: int
    stop: int


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the activations of a model depend on."""
    return {
        "data": plan.data_identity,
        "architecture": model.architecture,
        "weights": model.weights_sha256,
        "transform": model.transform.hash,
        "geometry": plan.options.geometry,
        "batch_size": model.batch_size,
        "image_block": plan.options.image_block,
        "activation_scale": plan.options.activation_scale,
        "device": plan.options.device,
        **({"device_name": plan.device_name} if plan.device_name else {}),
        "torch": plan.torch,
        **({"basis": model.spec.basis} if model.spec.basis else {}),
        **({"args": list(model.spec.args)} if model.spec.args else {}),
        **({"forward pass": model.forward} if model.forward else {}),
        **plan.options.view_settings.parameters,
    }


def plan_extract(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan the forward passes: a key for each model, layer and block of views."""
    cuts = view_blocks(plan)
    steps = (Step(decode_block, cpus=1), forward_step(plan, _Extractor))
    return [Stage(kind.name, grids(kind, plan, prints, cuts), by_model_and_views(plan, cuts), steps)]


def forward_step(plan: Plan, actor: type) -> Step:
    """Return the step of a class whose instances hold networks, one a core or GPU."""
    labels = {LABEL: plan.options.accelerator} if plan.options.accelerator else {}
    gpus = 1 if plan.options.device == "cuda" else 0
    return Step(actor, cpus=1, gpus=gpus, actors=plan.options.actors or 0, labels=labels)


def by_model_and_views(plan: Plan, cuts: Sequence[tuple[str, int, int]]) -> Callable[[Iterable[Key]], Iterator[Work]]:
    """Return what puts the layers of a model that need the same views, keys of (model, layer, block), into one task."""
    return partial(_together, {model.name: own for model, own in each_model(plan)}, plan.view_count, cuts[0][2])


def _together(plans: dict[str, Plan], views: int, size: int, missing: Iterable[Key]) -> Iterator[Work]:
    for (model, block), found in groupby(missing, key=lambda key: (key.place[0], key.place[2])):
        keys, start, own = tuple(found), start_of(block), plans[model]
        yield Work(keys, PassTask(keys, own, own.model(model), start, min(start + size, views)))


def decode_block(task: PassTask) -> dict[str, Any]:
    """Decode the views of one block: pixels uint8 (views, height, width, 3) and why images were rejected."""
    decoded = planned_views(task.plan, task.model, task.start, task.stop)
    return {"pixels": decoded.pixels, "reasons": np.array(decoded.reasons, dtype=object)}


class _Extractor:
    """Called once for each decoded block; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: PassTask, pixels: np.ndarray, reasons: Sequence[str]) -> list[Output]:
        layers = tuple(key.place[1] for key in task.keys)
        network = self._networks.network(task.plan, task.model, layers)
        rejected = np.array([bool(reason) for reason in reasons])
        images = whole_images_in(task, np.ones(len(reasons), bool))
        outputs = []
        maps = network.maps(pixels)
        for key, layer in zip(task.keys, layers, strict=True):
            maxima = finished(maps[layer], task, layer, rejected)
            store = ActivationStore(task.plan.run, task.model.name, layer)
            checksums = store.write(task.start, maps[layer], maxima)
            outputs.append(Output(key, len(maxima), images, whole_images_in(task, rejected), checksums))
        refuse_lost(network, task.model.name, maps, pixels, ~rejected)
        if task.start == 0:
            tell_vanished(network, task.plan, task.model.name, maps, pixels, ~rejected)
        write_rejects(task, reasons)
        return outputs


def whole_images_in(task: PassTask, chosen: np.ndarray) -> int:
    """Count the source images of the chosen views (bool) of a task; one whose views began in an earlier task counts there."""
    image = task.plan.views.image
    views = task.start + np.flatnonzero(chosen)
    return len(np.unique(image[views[np.searchsorted(image, image[views]) >= task.start]]))


def finished(maps: np.ndarray, task: PassTask, layer: str, rejected: np.ndarray) -> np.ndarray:
    """Check and canonicalise the maps of a block in place, and return their maxima, NaN where an image was rejected."""
    from filterscope.operators.numerics.half import settle

    maps[rejected] = 0
    finite, maxima = settle(maps)
    broken = np.flatnonzero(~finite)
    if len(broken):
        view = task.start + int(broken[0])
        image, uri = int(task.plan.views.image[view]), _files(task)[int(broken[0])]
        seen = f"image {image}" if task.plan.options.views == "image" else f"view {view}, of image {image}"
        raise RunError(
            f"layer {layer!r} of {task.model.name} gives NaN or overflows float16 on {seen} ({uri}); "
            "if its activations are large, rerun with --activation-scale 0.0625 (a power of two), or auto"
        )
    maxima[rejected] = np.nan
    return maxima


def write_rejects(task: PassTask, reasons: Sequence[str]) -> None:
    """Write why images of an image block could not be decoded."""
    if not any(reasons):
        return
    # an image has as many views as objects and flips
    bad = list(dict.fromkeys((uri, reason) for uri, reason in zip(_files(task), reasons, strict=True) if reason))
    rows = [{"stage": "extract", "item": uri, "reason": reason} for uri, reason in bad]
    # the same for every model: the file is bad, not the model
    place = (f"extract-images-{task.start:06d}",)
    write_table(task.plan.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])


def _files(task: PassTask) -> list[str]:
    return view_files(opened(task.plan.data, task.plan.data_identity), task.plan.views.image[task.start : task.stop])


def create_stores(plan: Plan) -> None:
    """Create the arrays that forward passes write into, where they are not there yet."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).create(
                plan.view_count,
                layer.channels,
                layer.height,
                layer.width,
                image_block=plan.options.image_block,
                unit_block=plan.options.unit_block,
                maps=plan.options.stored,
            )


def stored_bytes(plan: Plan) -> int:
    """Return the bytes of all activations before compression: an upper bound of what the stage writes."""
    sizes = (layer.channels * layer.height * layer.width for model in plan.models for layer in model.layers)
    return 2 * plan.view_count * sum(sizes)


def remove_activations(plan: Plan) -> None:
    """Delete the activations of the plan's layers, not their maxima, once everything was computed from them."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).remove_activations()


EXTRACT = StageKind(
    "extract",
    reads=(),
    writes=(MAPS, MAXIMA, DECODED),
    plan=plan_extract,
    parameters=parameters,
    forward=True,
    bytes=stored_bytes,
    prepare=create_stores,
)
