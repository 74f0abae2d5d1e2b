"""Make the plan of a run: open every network, find its layers, settle what is left open. Nothing is computed here."""

import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.runner import cluster_named, cores
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.names import located
from filterscope.pipeline.models.spec import TRAINED, ModelSpec
from filterscope.pipeline.run.device import device_name, device_of
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.places import free_space
from filterscope.pipeline.views.views import Views

if TYPE_CHECKING:
    from filterscope.pipeline.models.coding import Coding
    from filterscope.pipeline.models.model import Model

#: Batch sizes that are timed where none is given.
CPU_BATCHES = (1, 2, 4, 8, 16)
_CPU_BATCH = 4
_GPU_BATCH = 128
#: Fewer images than this are done before timing batches pays off.
_WORTH_TIMING = 512


@dataclass(frozen=True)
class Request:
    """What the user asked of one model; `factory` builds it where its module cannot be imported."""

    spec: ModelSpec
    layers: tuple[str, ...]
    factory: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Asked:
    """What is asked of a run.

    Attributes
    ----------
    run, data : Path
        Run folder and data-set folder.
    requests : sequence of Request
        Models with the layers asked for.
    settings : mapping
        Options of the run and of all methods, by their flat names; `device` auto and `actors` None are settled here.
    needs : sequence of (str, Need)
        What each method needs.
    slow : bool
        Whether a method takes long on few images too.
    batch_size : int, optional
        Images per forward pass; by default the recorded one, else the one that runs fastest here.
    """

    run: Path
    data: Path
    requests: Sequence[Request]
    settings: Mapping[str, Any]
    needs: Sequence[tuple[str, Need]]
    slow: bool = False
    batch_size: int | None = None


def make_plan(asked: Asked, before: Plan | None, tell: Callable[[str], None]) -> Plan:
    """Open and check everything that a run needs.

    Parameters
    ----------
    asked : Asked
        What is asked of the run.
    before : Plan, optional
        Plan of the same run folder, which the new one extends.
    tell : callable
        Receives what was assumed about a model, one line each.

    Raises
    ------
    InputError
        If a model does not open, a layer is not in it, or the data cannot answer anything.
    """
    import torch

    options, settings = RunOptions.of(asked.settings), dict(asked.settings)
    dataset = Dataset.open(asked.data, need=None)
    check_dataset(dataset)
    for method, need in asked.needs:
        need.check_data(method, dataset, settings)
    views = Views.of(dataset, options.view_settings)
    for method, need in asked.needs:
        need.check_views(method, dataset, views, settings)
    settings["device"] = device = device_of(options.device)
    if name := device_name(device, options.accelerator):
        settings["device_name"] = name
    if options.actors is None:
        settings["actors"] = _actors(options, device, len(views) * len(asked.requests), asked.slow)
    models, factories = [], {}
    for request in asked.requests:
        model = _planned(request, asked, device, len(views), before, tell)
        models.append(model)
        if request.factory is not None:
            factories[model.name] = request.factory
    _refuse_same_names(models)
    plan = Plan(
        asked.run,
        dataset.folder,
        dataset.identity,
        len(views),
        str(torch.__version__),
        tuple(models),
        settings,
        factories,
        dataset.grouped,
    )
    for method, need in asked.needs:
        need.check_plan(method, plan)
    return _extended(plan, before) if before else plan


def _planned(
    request: Request, asked: Asked, device: str, views: int, before: Plan | None, tell: Callable[[str], None]
) -> PlannedModel:
    from filterscope.pipeline.models.absent import refuse_dependent
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.probe import chosen
    from filterscope.pipeline.models.timing import seconds_an_image

    model = open_model(request.spec, request.factory)
    for note in model.notes:
        tell(f"{model.name}: {note}")
    layers = chosen(model, request.layers)
    refuse_dependent(model, [layer.name for layer in layers])
    for method, need in asked.needs:
        need.check_layers(method, model.name, layers, asked.settings)
        need.check_network(method, model, layers, asked.settings)
    former = next((m for m in before.models if m.name == model.name), None) if before else None
    proven, forward = _proven(model, layers, former, device)
    batch_size = asked.batch_size or (former.batch_size if former else None)
    if batch_size is None and device == "cuda":
        batch_size = _GPU_BATCH
    elif batch_size is None and views < _WORTH_TIMING:
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
        tuple(replace(layer, output=-1) for layer in proven),
        _classes_digest(model.spec),
        forward,
        _coding(model),
    )


def _coding(model: "Model") -> "Coding | None":
    """Return what the codes of an encoder or decoder are; None of one that breaks the form, which is for methods to say."""
    from filterscope.pipeline.models.coder import coding_of

    try:
        return coding_of(model.module, (model.transform.channels, *model.transform.input_size), model.name)
    except InputError:
        return None


def _proven(
    model: "Model", layers: list[Layer], former: PlannedModel | None, device: str
) -> tuple[list[Layer], str | None]:
    """Prove layers, and those recorded; return them, and what tells the forward pass from the first one where they differ.

    A layer that was recorded before the probe has nothing to compare with, and is left out.
    """
    from filterscope.pipeline.models.probe import prove, same_forward

    if former is not None and not _same_network(model, former):
        former = None  # its weights are others, or it was built otherwise: nothing is to be compared
    then = {layer.name: layer for layer in former.layers if layer.values} if former else {}
    own = {layer.name for layer in layers}
    proven = prove(model, [*layers, *(layer for layer in then.values() if layer.name not in own)], device)
    forward = former.forward if former else None
    if not all(same_forward(model, layer, then[layer.name]) for layer in proven if layer.name in then):
        forward = sha256(repr([layer.values for layer in proven]).encode()).hexdigest()[:16]
        then = {}
    return [then.get(layer.name, layer) for layer in proven], forward


def _same_network(one: "Model | PlannedModel", other: PlannedModel) -> bool:
    """Tell whether nothing but the forward pass can tell two networks apart."""
    return (one.architecture, one.weights_sha256, one.transform, one.spec.args) == (
        other.architecture, other.weights_sha256, other.transform, other.spec.args,
    )  # fmt: skip


def runs_as_planned(planned: PlannedModel, factory: Callable[[], Any]) -> bool:
    """Tell whether a network gives for the images of the probe what it gave; True where that was not recorded."""
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.probe import prove, same_forward

    layers = [layer for layer in planned.layers if layer.values]
    if not layers:
        return True
    model = open_model(planned.spec, factory)
    return all(map(partial(same_forward, model), prove(model, layers), layers))


def _classes_digest(spec: ModelSpec) -> str | None:
    """Return the SHA-256 of the file that names a network's classes, which is read to see that it can be."""
    from filterscope.pipeline.models.scores import read_classes

    if spec.classes is None:
        return None
    path = Path(spec.classes).expanduser()
    read_classes(path)
    return sha256(path.read_bytes()).hexdigest()


def layers_of(model: "Model") -> list[Layer]:
    """List the layers of an opened network that give maps, with their receptive fields."""
    from filterscope.pipeline.models.probe import survey

    return survey(model).maps


def _actors(options: RunOptions, device: str, views: int, slow: bool) -> int:
    """Return how many processes hold a network; 0, all in this process, for what is done before workers have started."""
    import torch

    if views <= options.image_block and not slow and not cluster_named():
        return 0
    if device != "cuda":
        return cores()
    if not torch.cuda.is_available():
        raise InputError(
            "--device cuda on a cluster whose head has no GPU: say how many workers have one with --actors"
        )
    return torch.cuda.device_count()


def _refuse_same_names(models: Sequence[PlannedModel]) -> None:
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models are named {name!r}; give each its own `name`")


def _extended(plan: Plan, before: Plan) -> Plan:
    """Keep models and layers that the run already has and the new request does not name."""
    models = {model.name: model for model in before.models}
    for model in plan.models:
        kept = models.get(model.name)
        if kept:
            _refuse_other_weights(kept.spec, model.spec, model.name)
        own = {layer.name for layer in model.layers}
        more = tuple(layer for layer in kept.layers if layer.name not in own) if kept else ()
        if kept and not _same_network(model, kept):
            more = tuple(replace(layer, values=()) for layer in more)
        models[model.name] = replace(model, layers=model.layers + more)
    return replace(plan, models=tuple(models.values()))


def _refuse_other_weights(kept: ModelSpec, asked: ModelSpec, name: str) -> None:
    """Stop if other weights of the same file are asked for under a name that has results: the digest is of the file."""
    for option in ("state_key", "prefix"):
        then, now = getattr(kept, option), getattr(asked, option)
        if then != now:
            raise InputError(
                f"{name} was read with {option} {then!r} in this run and is now asked for with {now!r}; give the model another "
                "name, or choose another --out"
            )


def refuse_full_disk(plan: Plan, needed: Mapping[str, int]) -> None:
    """Stop if what stages may write, bytes by their names, does not fit.

    Raises
    ------
    InputError
        With the projected and the free bytes.
    """
    found = free_space(plan.run)
    if found is None:
        return  # a store reports when it is full
    free, place = found
    most = sum(needed.values())
    if most > free:
        raise InputError(
            f"the files of {', '.join(needed)} may take {most / 1e9:.1f} GB and {place} has {free / 1e9:.1f} GB free; "
            "ask for fewer or later layers, or choose an --out on another disk"
        )


def model_files(plan: Plan) -> list[Path]:
    """Return the files of weights, of names of classes and of the user's own code that the plan was made from."""
    paths = [
        located(model.spec.architecture) if model.spec.scheme == TRAINED else model.spec.weights_path
        for model in plan.models
    ]
    paths += [Path(model.spec.classes).expanduser() for model in plan.models if model.spec.classes]
    paths += [path for model in plan.models if model.spec.scheme == "factory" for path in _code(model.architecture)]
    return list(dict.fromkeys(path.absolute() for path in paths if path is not None))


def _code(factory: str) -> list[Path]:
    """Return the files of the loaded modules that lie beside that of a factory or below, which its network may come from."""
    top = factory.partition(":")[0].partition(".")[0]
    found = getattr(sys.modules.get(top), "__file__", None)
    if found is None:
        return []
    here, installed = Path(found).parent, tuple(sysconfig.get_paths().values())
    loaded = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    files = {file for name, file in loaded if file and name.partition(".")[0] != "filterscope"}
    own = (Path(file) for file in files if not file.startswith(installed) or found.startswith(installed))
    return sorted(path for path in own if here in path.parents and path.is_file())


__all__ = ["Asked", "Request", "layers_of", "make_plan", "model_files", "refuse_full_disk", "runs_as_planned"]
