"""Open a network: its module, identity and preprocessing."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.sources import (
    Factory,
    Source,
    factory_source,
    live_source,
    package_source,
    timm_source,
    torchvision_source,
    trained_source,
)
from filterscope.pipeline.models.spec import LIVE, TRAINED, ModelSpec
from filterscope.pipeline.models.types import dtype_of
from filterscope.pipeline.models.weights import first_of, load_state, read_state, renamed, reshaped, state_sha256
from filterscope.pipeline.views.transform import Transform

BATCH_NORM_IMAGES = 64
#: Held while weights are drawn: threads share one generator, and networks opened at once would take each other's numbers.
_DRAWING = RLock()


@dataclass
class Model:
    """An opened network.

    Parameters
    ----------
    spec : ModelSpec
        What was asked for.
    name : str
        Name in the run: the spec's, or architecture + 8 hex digits of the weights.
    architecture : str
        Name inside the scheme.
    weights_sha256 : str
        Digest of the weights file's bytes; where no file was read, of the state (`weights.state_sha256`).
    module : nn.Module
        The network on the CPU, in evaluation mode, no gradients.
    transform : Transform
        Its preprocessing.
    notes : list of str
        What was unwrapped or assumed, for the user to read.
    parameters : int
        Learnable parameters.
    needs_batch_norm : bool
        Weights are random and there is batch norm: call `reestimate_batch_norm` before anything is measured.
    absent : list of str
        Keys that the weights file lacks, such as those of a head: call `absent.refuse_dependent` before anything is used.
    """

    spec: ModelSpec
    name: str
    architecture: str
    weights_sha256: str
    module: nn.Module
    transform: Transform
    notes: list[str] = field(default_factory=list)
    parameters: int = 0
    needs_batch_norm: bool = False
    absent: list[str] = field(default_factory=list)


def open_model(spec: ModelSpec, factory: Factory | None = None) -> Model:
    """Build a network and load its weights.

    Parameters
    ----------
    spec : ModelSpec
        The network; its input_size, mean, std and interpolation override the weights' own.
    factory : callable, optional
        For a ``factory:`` spec, the function itself, where its module cannot be imported; for a ``module:`` spec, what
        returns a copy of the network.

    Raises
    ------
    InputError
        If the network is unknown, or its weights are absent, unreadable or of another network.
    """
    source = _source(spec, factory)
    module = _build(source, spec)
    notes, absent = list(source.notes), list[str]()
    if source.file is not None:
        module, more, absent = _loaded(module, source, spec)
        notes += more
    elif spec.scheme == "factory" and spec.seed is None:
        notes.append("no weights given: the network is as its factory returns it (torch seed 0)")
    transform = _overridden(source.transform(module), spec)
    _refuse_untappable(module, spec)
    module = (source.part(module) if source.part else module).eval().requires_grad_(False)
    dtype = dtype_of(module)
    if dtype != torch.float32:
        module.register_forward_pre_hook(partial(_cast, dtype))
    if spec.mean is None and spec.std is None:
        transform, more = _channelled(module, transform)
        notes += more
    digest = source.file_digest or state_sha256(module.state_dict())
    return Model(
        spec=spec,
        name=spec.name or _default_name(spec, digest),
        architecture=source.architecture or spec.architecture,
        weights_sha256=digest,
        module=module,
        transform=transform,
        notes=notes,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        needs_batch_norm=spec.seed is not None and bool(batch_norms(module)),
        absent=absent,
    )


def _source(spec: ModelSpec, factory: Factory | None) -> Source:
    if spec.scheme == "factory":
        return factory_source(spec, factory)
    if spec.scheme == LIVE:
        return live_source(spec, factory)
    sources = {
        "torchvision": torchvision_source,
        "timm": timm_source,
        "package": package_source,
        "trained": trained_source,
    }
    return sources[spec.scheme](spec)


def _build(source: Source, spec: ModelSpec, classes: int | None = None) -> nn.Module:
    """Build with a seed of its own, so that the caller's random state neither matters nor changes."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed or 0)
        try:
            return source.build(classes)
        except InputError:
            raise
        except Exception as error:  # an architecture may refuse its arguments in any way
            if not spec.args:
                raise
            asked = ", ".join(spec.args)
            raise InputError(
                f"{spec.architecture} cannot be built with {asked} ({type(error).__name__}: {error})"
            ) from error


def _refuse_untappable(module: nn.Module, spec: ModelSpec) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"{spec.architecture} is a TorchScript module, which runs as one piece, so that no layer can be tapped; load its "
            "state dict into the Python class that it was made from, and audit that"
        )
    solid = (name for name, part in module.named_modules() if isinstance(part, (nn.Conv3d, nn.ConvTranspose3d)))
    name = next(solid, None)
    if name is not None:
        raise InputError(
            f"{spec.architecture} convolves in three dimensions ({name}); an audit shows a network single images, whose maps "
            "have only rows and columns"
        )


def _cast(dtype: torch.dtype, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hand a network its input in its own type."""
    return tuple(v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for v in inputs)


def _channelled(module: nn.Module, transform: Transform) -> tuple[Transform, list[str]]:
    """Give the preprocessing as many channels as the network takes, where these are not three."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    count = first.in_channels if first is not None else 3
    if count == transform.channels or _takes(module, transform.channels, transform):
        return transform, []
    mean, std = ([values[number % 3] for number in range(count)] for values in (transform.mean, transform.std))
    if count == 1:
        mean, std = ([round(sum(values) / len(values), 3)] for values in (transform.mean, transform.std))
    seen = "images in grey" if count == 1 else "R, G, B, R and so on"
    assumed = f"mean {', '.join(map(str, mean))} and std {', '.join(map(str, std))}"
    note = f"its input has {count} channels: it is shown {seen}, with {assumed}; set mean and std if it was trained with others"
    return replace(transform, mean=tuple(mean), std=tuple(std)), [note.replace("1 channels", "1 channel", 1)]


def _takes(module: nn.Module, channels: int, transform: Transform) -> bool:
    try:
        with torch.inference_mode():
            module(torch.zeros(2, channels, *transform.input_size))
    except Exception:  # a network may refuse an input in any way
        return False
    return True


def _loaded(module: nn.Module, source: Source, spec: ModelSpec) -> tuple[nn.Module, list[str], list[str]]:
    """Return the network with the weights of its file, notes, and the keys that the file lacks."""
    assert source.file is not None
    state, notes = read_state(source.file, module.state_dict().keys(), spec.state_key, spec.prefix)
    if source.rename:
        state = renamed(state, source.rename)
    classes = _head_classes(module, state) if source.resizable else None
    if classes is not None:
        module = _build(source, spec, classes)
        notes.append(f"{source.file.name} has a head of {classes} classes")
    absent = load_state(module, state, what=spec.architecture, path=source.file)
    if absent:
        notes.append(f"{source.file.name} lacks {first_of(absent)}: nothing that depends on them can be audited")
    return module, notes, absent


def _head_classes(module: nn.Module, state: dict[str, Tensor]) -> int | None:
    """Return the one number of classes that explains every tensor of another shape, or None."""
    pairs = reshaped(module, state).values()
    ends = {(file[0], own[0]) for file, own in pairs if file and own and file[1:] == own[1:]}
    alike = all(file and own and file[1:] == own[1:] for file, own in pairs)
    own = Counter(shape[0] for shape in (tuple(v.shape) for v in module.state_dict().values()) if shape)
    if len(ends) != 1 or not alike:
        return None
    found, expected = next(iter(ends))
    return found if own[expected] == len(pairs) else None


def _overridden(transform: Transform, spec: ModelSpec) -> Transform:
    if spec.size is not None:
        side = max(spec.size)
        resize = max(side, round(transform.resize_size * side / min(transform.input_size)))
        transform = replace(transform, input_size=spec.size, resize_size=resize)
    own = {option: getattr(spec, option) for option in ("mean", "std", "interpolation")}
    return replace(transform, **{option: value for option, value in own.items() if value is not None})


def _default_name(spec: ModelSpec, digest: str) -> str:
    named = (
        Path(spec.architecture).name.removesuffix(".safetensors")
        if spec.scheme == TRAINED
        else spec.architecture.rpartition(":")[2]
    )
    short = re.sub(r"[^A-Za-z0-9._+-]", "-", named)
    basis = f"-{spec.basis.replace(':', '-')}" if spec.basis else ""
    return f"{short}-{digest[:8]}{basis}"


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the batch norms that have running statistics."""
    norms = (part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return [norm for norm in norms if norm.track_running_stats]


def reestimate_batch_norm(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the statistics of every batch norm by plain averages over batches.

    Without it nearly all last units of a random network are dead.

    Parameters
    ----------
    module : nn.Module
        The network; its running statistics change in place, nothing else does.
    batches : iterable of Tensor of shape (N, 3, H, W)
        Preprocessed images, `BATCH_NORM_IMAGES` or more in all, in batches of one size, for batches weigh alike.

    Raises
    ------
    InputError
        If there is no batch.
    """
    norms = batch_norms(module)
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    count = 0
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            for count, batch in enumerate(batches, start=1):  # noqa: B007
                module(batch)
    finally:
        for norm, momentum, training in before:
            norm.momentum = momentum
            norm.train(training)
    if not count:
        raise InputError("batch-norm statistics need images, got none")


__all__ = ["BATCH_NORM_IMAGES", "Model", "batch_norms", "open_model", "reestimate_batch_norm"]
