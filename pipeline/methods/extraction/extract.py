"""Stage `extract`: decode images on CPU tasks, run the networks on actors, store activations and their maxima.

One forward pass computes all layers of a model that an image block still lacks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Step, Unit, Work, blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore, write_table
from filterscope.pipeline.views.decode import decode_views, view_files
from filterscope.schemas.results import TABLES


@dataclass(frozen=True)
class ExtractTask:
    """One image block through one model, for the layers in `units`."""

    units: tuple[Unit, ...]
    plan: Plan
    model: PlannedModel
    start: int
    stop: int
    factory: Callable[[], Any] | None


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the activations of a model depend on."""
    return Fingerprint(
        {
            "data": plan.data_identity,
            "architecture": model.architecture,
            "weights": model.weights_sha256,
            "transform": model.transform.hash,
            "geometry": plan.options.geometry,
            "batch_size": model.batch_size,
            "image_block": plan.options.image_block,
            "activation_scale": plan.options.activation_scale,
            "device": plan.options.device,
            "torch": plan.torch,
            **({"basis": model.spec.basis} if model.spec.basis else {}),
            **plan.options.view_settings.parameters,
        }
    )


def extract_stage(plan: Plan, factories: dict[str, Callable[[], Any]]) -> Stage:
    """Plan the forward passes: one unit for each model, layer and image block."""
    image_blocks = blocks("images", plan.images, plan.options.image_block)
    spans = {name: (start, stop) for name, start, stop in image_blocks}
    units = []
    for model in plan.models:
        depends = fingerprint(plan, model)
        units += [
            Unit("extract", (model.name, layer.name, name), depends)
            for name, _, _ in image_blocks
            for layer in model.layers
        ]
    steps = (Step(decode_block, cpus=1), forward_step(plan, _Extractor))
    return Stage("extract", tuple(units), partial(by_images, plan, spans, factories), steps)


def forward_step(plan: Plan, actor: type) -> Step:
    """Return the step of a class whose instances hold networks, one a core or GPU."""
    return Step(actor, cpus=1, gpus=1 if plan.options.device == "cuda" else 0, actors=plan.options.actors or 0)


def by_images(
    plan: Plan, spans: dict[str, tuple[int, int]], factories: dict[str, Callable[[], Any]], missing: Sequence[Unit]
) -> list[Work]:
    """Put the layers of a model that need the same images, units of place (model, layer, images), into one task."""
    together: dict[tuple[str, str], list[Unit]] = {}
    for unit in missing:
        model, _, block = unit.place
        together.setdefault((model, block), []).append(unit)
    return [
        Work(tuple(units), ExtractTask(tuple(units), plan, plan.model(model), *spans[block], factories.get(model)))
        for (model, block), units in together.items()
    ]


def decode_block(task: ExtractTask) -> dict[str, Any]:
    """Decode the images of one block: pixels uint8 (images, height, width, 3) and why images were rejected."""
    decoded = decode_views(task.plan, task.start, task.stop, task.model.geometry(task.plan.options.geometry))
    return {"pixels": decoded.pixels, "reasons": np.array(decoded.reasons, dtype=object)}


class _Extractor:
    """Called once for each decoded block; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.models.held import HeldModels

        self._models = HeldModels()

    def __call__(self, task: ExtractTask, pixels: np.ndarray, reasons: Sequence[str]) -> list[Output]:
        layers = tuple(unit.place[1] for unit in task.units)
        forward = self._models.forward(task.plan, task.model, layers, task.factory)
        rejected = np.array([bool(reason) for reason in reasons])
        outputs = []
        maps = forward(pixels)
        for unit, layer in zip(task.units, layers, strict=True):
            maxima = finished(maps[layer], task, layer, rejected)
            store = ActivationStore(task.plan.run, task.model.name, layer)
            store.write(task.start, maps[layer], maxima)
            outputs.append(Output(unit, len(maxima), len(pixels), int(rejected.sum())))
        write_rejects(task, reasons)
        return outputs


def finished(maps: np.ndarray, task: ExtractTask, layer: str, rejected: np.ndarray) -> np.ndarray:
    """Check and canonicalise the maps of a block in place, and return their maxima, NaN where an image was rejected."""
    from filterscope.operators.numerics.half import settle

    maps[rejected] = 0
    finite, maxima = settle(maps)
    broken = np.flatnonzero(~finite)
    if len(broken):
        image = task.start + int(broken[0])
        uri = _files(task)[int(broken[0])]
        raise RunError(
            f"layer {layer!r} of {task.model.name} gives NaN or overflows float16 on image {image} ({uri}); "
            "if its activations are large, rerun with --activation-scale 0.0625 (a power of two)"
        )
    maxima[rejected] = np.nan
    return maxima


def write_rejects(task: ExtractTask, reasons: Sequence[str]) -> None:
    """Write why images of an image block could not be decoded."""
    # an image has as many views as objects and flips
    bad = list(dict.fromkeys((uri, reason) for uri, reason in zip(_files(task), reasons, strict=True) if reason))
    if bad:
        rows = [{"stage": "extract", "item": uri, "reason": reason} for uri, reason in bad]
        # the same for every model: the file is bad, not the model
        place = (f"extract-images-{task.start:06d}",)
        write_table(task.plan.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])


def _files(task: ExtractTask) -> list[str]:
    return view_files(Dataset(task.plan.data), task.plan.views.image[task.start : task.stop])


def create_stores(plan: Plan) -> None:
    """Create the arrays that forward passes write into, where they are not there yet."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).create(
                plan.images,
                layer.channels,
                layer.height,
                layer.width,
                image_block=plan.options.image_block,
                unit_block=plan.options.unit_block,
                maps=plan.options.stored,
            )


def stored_bytes(plan: Plan) -> int:
    """Return the bytes of all activations before compression: an upper bound of what the stage writes."""
    if not plan.options.stored:
        return 0
    sizes = (layer.channels * layer.height * layer.width for model in plan.models for layer in model.layers)
    return 2 * plan.images * sum(sizes)


def remove_activations(plan: Plan) -> None:
    """Delete the activations of the plan's layers, not their maxima, once everything was computed from them."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).remove_activations()
