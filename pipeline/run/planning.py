"""Make the plan of a run: open every network, find its layers, settle what is left open. Nothing is computed here."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.runner import cluster_named, cores
from filterscope.pipeline.methods.graph.crops import refuse_flat_maps, refuse_without_graph
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.run.plan import Options, Plan, PlannedModel
from filterscope.pipeline.stores.places import is_object
from filterscope.pipeline.views.views import Views
from filterscope.schemas.parts import PART

if TYPE_CHECKING:
    from filterscope.pipeline.models.model import Model

#: Metrics that read labels.
_ABOUT_CONCEPTS = {"dissection", "significance", "growth", "parts", "anchorings", "stability"}
#: Metrics that learn from object crops, some held out.
_OF_GRAPHS = {"graph", "pattern-positions"}
#: Metrics that take long on few images too.
_HEAVY = {"receptive-field", "graph"}
#: Batch sizes that are timed where none is given.
CPU_BATCHES = (1, 2, 4, 8, 16)
_CPU_BATCH = 4
_GPU_BATCH = 128
#: Fewer images than this are over before timing batches has paid.
_WORTH_TIMING = 512


@dataclass(frozen=True)
class Request:
    """What the user asked of one model."""

    spec: ModelSpec
    layers: tuple[str, ...]


def make_plan(
    run: Path,
    data: Path,
    requests: Sequence[Request],
    options: Options,
    batch_size: int | None,
    before: Plan | None,
    tell: Callable[[str], None],
) -> Plan:
    """Open and check everything that a run needs.

    Parameters
    ----------
    run, data : Path
        Run folder and data-set folder.
    requests : sequence of Request
        Models with the layers asked for.
    options : Options
        Settings; `device` "auto" and `actors` None are settled here.
    batch_size : int, optional
        Images a forward pass; by default the recorded one, else the one that runs fastest here.
    before : Plan, optional
        Plan of the same run folder, which the new one extends.
    tell : callable
        Receives what was assumed about a model, a line each.

    Raises
    ------
    InputError
        If a model does not open, a layer is not in it, or the data cannot answer anything.
    """
    import torch

    dataset = _opened(data, set(options.metrics))
    views = Views.of(dataset, options.view_settings)
    if _ABOUT_CONCEPTS & set(options.metrics):
        _refuse_rare(dataset, views, options.min_images)
    images = len(views)
    options = replace(options, device=_device(options.device))
    if options.actors is None:
        options = replace(options, actors=_actors(options, images * len(requests)))
    models = [_planned(request, options, images, batch_size, before, tell) for request in requests]
    _refuse_same_names(models)
    plan = Plan(run, dataset.folder, dataset.identity, images, str(torch.__version__), tuple(models), options)
    if _OF_GRAPHS & set(options.metrics):
        refuse_without_graph(plan)
    return _extended(plan, before) if before else plan


def _opened(data: Path, metrics: set[str]) -> Dataset:
    """Open the data set and check that it has what the metrics read."""
    if "location" in metrics:
        Dataset.open(data, need="landmarks")
    if "parts" in metrics and PART not in Dataset.open(data).concepts["category"].to_pylist():
        raise InputError(
            f"the data set {data} has no concept of the category {PART!r}, which --metrics parts compares units with; "
            "import one that has, such as Pascal-Part or Broden, or drop parts from --metrics"
        )
    return Dataset.open(data, need="concepts" if _ABOUT_CONCEPTS & metrics else None)


def _planned(
    request: Request,
    options: Options,
    images: int,
    batch_size: int | None,
    before: Plan | None,
    tell: Callable[[str], None],
) -> PlannedModel:
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.network import seconds_an_image
    from filterscope.pipeline.models.taps import resolve_layers

    model = open_model(request.spec)
    for note in model.notes:
        tell(f"{model.name}: {note}")
    layers = resolve_layers(request.layers, layers_of(model), what=model.name)
    if options.anchoring == "receptive_field":
        _refuse_without_field(layers, model.name, "to anchor at", "use --anchoring resize")
    if options.mask_mode == "survey":
        _refuse_without_field(layers, model.name, "to draw", "use --mask-mode upsample")
    if "location" in options.metrics:
        _refuse_without_field(layers, model.name, "to say where units look", "drop location from --metrics")
    for metric in sorted(_OF_GRAPHS & set(options.metrics)):
        refuse_flat_maps(layers, model.name)
        _refuse_without_field(layers, model.name, "to place nodes in", f"drop {metric} from --metrics")
    if "parts" in options.metrics:
        _refuse_without_field(layers, model.name, "to compare with parts", "drop parts from --metrics")
    known = {m.name: m.batch_size for m in before.models} if before else {}
    batch_size = batch_size or known.get(model.name)
    if batch_size is None and options.device == "cuda":
        batch_size = _GPU_BATCH
    elif batch_size is None and images < _WORTH_TIMING:
        batch_size = _CPU_BATCH
    elif batch_size is None:
        seconds = seconds_an_image(model, [layer.name for layer in layers], CPU_BATCHES)
        batch_size = min(seconds, key=lambda size: seconds[size])
    return PlannedModel(
        model.spec,
        model.name,
        model.architecture,
        model.weights_sha256,
        model.transform,
        model.parameters,
        batch_size,
        tuple(replace(layer, output=-1) for layer in layers),
    )


def layers_of(model: "Model") -> list[Layer]:
    """List the layers of an opened network with their receptive fields."""
    from filterscope.pipeline.models.geometry import receptive_fields
    from filterscope.pipeline.models.taps import list_layers

    layers = list_layers(model.module, model.transform.input_size, what=model.name)
    found = receptive_fields(model.module, model.transform.input_size)
    fields = ((layer, found.get(layer.name, "it was not called on a blank image")) for layer in layers)
    return [
        replace(layer, no_field=field) if isinstance(field, str) else replace(layer, field=field)
        for layer, field in fields
    ]


def _refuse_without_field(layers: Sequence[Layer], what: str, why: str, instead: str) -> None:
    for layer in layers:
        if layer.field is None:
            raise InputError(
                f"layer {layer.name!r} of {what} has no receptive field {why} ({layer.no_field}); "
                f"{instead}, or leave the layer out"
            )


def _device(asked: str) -> str:
    import torch

    available = torch.cuda.is_available()
    if asked == "cuda" and os.environ.get("RAY_ADDRESS"):
        return "cuda"  # the workers of a cluster have GPUs that its head need not have
    if asked == "cuda" and not available:
        raise InputError("--device cuda was asked, but torch finds no CUDA device; use --device cpu")
    return "cuda" if asked != "cpu" and available else "cpu"


def _actors(options: Options, images: int) -> int:
    """Return how many processes hold a network; 0, all in this process, for what is over before workers have started."""
    import torch

    if images <= options.image_block and not _HEAVY & set(options.metrics) and not cluster_named():
        return 0
    if options.device != "cuda":
        return cores()
    if not torch.cuda.is_available():
        raise InputError(
            "--device cuda on a cluster whose head has no GPU: say how many workers have one with --actors"
        )
    return torch.cuda.device_count()


def _refuse_rare(dataset: Dataset, views: Views, min_images: int) -> None:
    """Stop before the expensive work if no concept can label a unit."""
    pairs = dataset.table("segments").select(["image", "concept"]).group_by(["image", "concept"]).aggregate([])
    pairs = pairs.filter(pc.is_in(pairs["image"], pa.array(np.unique(views.image))))
    images = pairs.group_by("concept").aggregate([("image", "count")])["image_count"]
    most = pc.max(images).as_py() or 0
    if most < min_images:
        raise InputError(
            f"no concept of {dataset.folder} is in {min_images} images or more (the commonest is in {most}), so none "
            f"could label a unit; lower --min-images to {most} or less, or add images"
        )


def _refuse_same_names(models: Sequence[PlannedModel]) -> None:
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models are named {name!r}; give each a `name` of its own")


def _extended(plan: Plan, before: Plan) -> Plan:
    """Keep models and layers that the run already has and the new request does not name."""
    models = {model.name: model for model in before.models}
    for model in plan.models:
        kept = models.get(model.name)
        own = {layer.name for layer in model.layers}
        more = tuple(layer for layer in kept.layers if layer.name not in own) if kept else ()
        models[model.name] = replace(model, layers=model.layers + more)
    return replace(plan, models=tuple(models.values()))


def refuse_full_disk(plan: Plan, needed: int) -> None:
    """Stop if what may be written does not fit.

    Raises
    ------
    InputError
        With the projected and the free bytes.
    """
    if is_object(plan.run):
        return  # the store says itself when it takes no more
    place = next(folder for folder in (plan.run, *plan.run.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"the activations may take {needed / 1e9:.1f} GB and {place} has {free / 1e9:.1f} GB free; "
            "ask for fewer or later layers, or choose an --out on another disk"
        )


def weight_files(plan: Plan) -> list[Path]:
    """Return the files of weights that the plan was made from."""
    paths = (model.spec.weights_path for model in plan.models)
    return [path.absolute() for path in paths if path is not None]


__all__ = ["Request", "layers_of", "make_plan", "refuse_full_disk", "weight_files"]
