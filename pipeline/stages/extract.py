"""Stage `extract`: decode images on CPU tasks, run the networks on actors, store activations and their maxima.

One forward pass computes all layers of a model that an image block still lacks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.datasets.layout import Dataset
from pipeline.decode import decode_views, view_files
from pipeline.errors import RunError
from pipeline.plan import Plan, PlannedModel
from pipeline.stage import Fingerprint, Output, Stage, Step, Unit, Work, blocks
from pipeline.stores import ActivationStore, write_table
from schemas.results import TABLES


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
    on_gpu = plan.options.device == "cuda"
    steps = (
        Step(decode_block, cpus=1),
        Step(_Extractor, cpus=1, gpus=1 if on_gpu else 0, actors=plan.options.actors),
    )
    return Stage("extract", tuple(units), partial(_group, plan, spans, factories), steps)


def _group(
    plan: Plan, spans: dict[str, tuple[int, int]], factories: dict[str, Callable[[], Any]], missing: Sequence[Unit]
) -> list[Work]:
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
        from pipeline.models.held import HeldModels

        self._models = HeldModels()

    def __call__(self, task: ExtractTask, pixels: np.ndarray, reasons: Sequence[str]) -> list[Output]:
        layers = tuple(unit.place[1] for unit in task.units)
        forward = self._models.forward(task.plan, task.model, layers, task.factory)
        rejected = np.array([bool(reason) for reason in reasons])
        outputs = []
        maps = forward(pixels)
        for unit, layer in zip(task.units, layers, strict=True):
            maxima = _finished(maps[layer], task, layer, rejected)
            store = ActivationStore(task.plan.run, task.model.name, layer)
            store.write(task.start, maps[layer], maxima)
            outputs.append(Output(unit, len(maxima), len(pixels), int(rejected.sum())))
        _write_rejects(task, reasons)
        return outputs


def _finished(maps: np.ndarray, task: ExtractTask, layer: str, rejected: np.ndarray) -> np.ndarray:
    """Check and canonicalise the maps of a block in place, and return their maxima, NaN where an image was rejected."""
    from operators.half import settle

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


def _write_rejects(task: ExtractTask, reasons: Sequence[str]) -> None:
    # an image has as many views as objects and flips
    bad = list(dict.fromkeys((uri, reason) for uri, reason in zip(_files(task), reasons, strict=True) if reason))
    if bad:
        rows = [{"stage": "extract", "item": uri, "reason": reason} for uri, reason in bad]
        place = (f"extract-{task.units[0].place[-1]}",)  # the same for every model: the file is bad, not the model
        write_table(task.plan.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])


def _files(task: ExtractTask) -> list[str]:
    return view_files(Dataset(task.plan.data), task.plan.views.image[task.start : task.stop])


def create_stores(plan: Plan) -> None:
    """Create the arrays that the stage writes into, where they are not there yet."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).create(
                plan.images,
                layer.channels,
                layer.height,
                layer.width,
                image_block=plan.options.image_block,
                unit_block=plan.options.unit_block,
            )


def stored_bytes(plan: Plan) -> int:
    """Return the bytes of all activations before compression: an upper bound of what the stage writes."""
    sizes = (layer.channels * layer.height * layer.width for model in plan.models for layer in model.layers)
    return 2 * plan.images * sum(sizes)


def remove_activations(plan: Plan) -> None:
    """Delete the activations of the plan's layers, not their maxima, once everything was computed from them."""
    for model in plan.models:
        for layer in model.layers:
            ActivationStore(plan.run, model.name, layer.name).remove_activations()
