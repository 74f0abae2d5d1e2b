"""How a network is named: ``SCHEME:ARCH[@WEIGHTS]`` and the settings a user's own network needs."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from filterscope.pipeline.engine.errors import InputError, did_you_mean

SCHEMES = ("torchvision", "timm", "package", "factory", "trained")
#: Scheme of a network that `filterscope train` left: ``trained:RUN/NAME``.
TRAINED = "trained"
#: Scheme of a network that exists in Python already: ``module:CLASS-STRUCTURE@WEIGHTS``, the latter two as digests.
LIVE = "module"
INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")
FILE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".th", ".safetensors")
_EXAMPLE = "write SCHEME:ARCH[@WEIGHTS], such as torchvision:resnet18@IMAGENET1K_V1"
_BASIS = re.compile(r"rotate:\d{1,18}(:(0(\.\d+)?|1(\.0+)?))?")
_ARGUMENT = re.compile(r"[A-Za-z_]\w*=")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,119}")

#: Rows or columns of a network's input, at most.
_LARGEST = 16_384


@dataclass(frozen=True)
class ModelSpec:
    """A network as the user asks for it; checked when made, opened by `pipeline.models.model.open_model`.

    Parameters
    ----------
    source : str
        ``SCHEME:ARCH[@WEIGHTS]``. SCHEME is torchvision, timm, package, factory or trained; WEIGHTS is an official tag, a
        path (it holds a ``/`` or ends in a suffix of `FILE_SUFFIXES`) or ``random:SEED``. ``trained:RUN/NAME`` is a network
        that `filterscope train` left, and has its weights; with ``@random:SEED``, the same network untrained.
    name : str
        Name of the model in runs, safe as a path; empty for architecture + 8 hex digits of the weights.
    input_size : int or (int, int), optional
        Height and width of the input in pixels, one number where they are the same, instead of the weights' own.
    mean, std : tuple of float, optional
        Normalisation of R, G and B in 0..1, instead of the weights' own. Of a network whose input has another number of
        channels, as many numbers in each.
    interpolation : str, optional
        Filter of the resizing, one of `INTERPOLATIONS`.
    state_key : str, optional
        Key of the state dict inside the checkpoint file; dots lead deeper.
    prefix : str, optional
        What the network's keys begin with in the checkpoint file, where it holds them several times; empty for nothing.
    basis : str, optional
        ``rotate:SEED[:ALPHA]``: audit a random rotation of the units of every layer, or a share of it, as a control.
    classes : str, optional
        CSV file with the columns index and name: what its classes are called. No result of a unit depends on it.
    args : tuple of str
        ``NAME=VALUE`` arguments of the architecture's constructor, or of the factory; VALUE as in JSON, else text.

    Raises
    ------
    InputError
        If a value is not as described.
    """

    source: str
    name: str = ""
    input_size: int | tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None
    state_key: str | None = None
    basis: str | None = None
    classes: str | None = None
    args: tuple[str, ...] = ()
    prefix: str | None = None

    def __post_init__(self) -> None:
        _check_source(self.source)
        if self.name and not (_NAME.fullmatch(self.name) and self.name.strip(".")):
            raise InputError(f"model name {self.name!r} is not safe as a path; use letters, digits and . _ + - alone")
        object.__setattr__(self, "input_size", _size(self.input_size, self.source))
        object.__setattr__(self, "args", _arguments(self.args, self.source))
        if self.interpolation not in (None, *INTERPOLATIONS):
            hint = did_you_mean(str(self.interpolation), INTERPOLATIONS)
            raise InputError(
                f"unknown interpolation {self.interpolation!r}; it is one of {', '.join(INTERPOLATIONS)}.{hint}"
            )
        if self.basis is not None and not (isinstance(self.basis, str) and _BASIS.fullmatch(self.basis)):
            raise InputError(
                f"basis is {self.basis!r} for {self.source}; write rotate:SEED or rotate:SEED:ALPHA with ALPHA from 0 to 1"
            )
        if self.classes is not None and not (isinstance(self.classes, str) and self.classes):
            raise InputError(f"classes is {self.classes!r} for {self.source}; give the path of a CSV file: index,name")
        count = len(self.mean) if _listed(self.mean) and _listed(self.std) and len(self.mean) == len(self.std) else 3
        for option in ("state_key", "prefix"):
            if not isinstance(getattr(self, option), str | None):
                raise InputError(f"{option} is {getattr(self, option)!r} for {self.source}; give a string")
            if getattr(self, option) is not None and self.weights_path is None and self.scheme != "package":
                raise InputError(
                    f"{option} is stated for {self.source}, which reads no checkpoint; give its path after an @"
                )
        for option in ("mean", "std"):
            object.__setattr__(self, option, _channels(option, getattr(self, option), count, self.source))

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the input that were asked for, or None."""
        return (self.input_size, self.input_size) if isinstance(self.input_size, int) else self.input_size

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the architecture's constructor."""
        return dict(_argument(text) for text in self.args)

    @property
    def rotation(self) -> tuple[int, float] | None:
        """Seed and share of the rotation of the units, or None."""
        if self.basis is None:
            return None
        _, seed, alpha = f"{self.basis}:1".split(":")[:3]
        return int(seed), float(alpha)

    @property
    def scheme(self) -> str:
        """Where the architecture comes from, one of `SCHEMES` or `LIVE`."""
        return self.source.partition(":")[0]

    @property
    def architecture(self) -> str:
        """Name of the architecture inside its scheme, ``pkg.module:function`` for a factory, ``RUN/NAME`` for a trained one."""
        return _parts(self.source)[0]

    @property
    def weights(self) -> str | None:
        """What follows the ``@``, or None."""
        return _parts(self.source)[1] or None

    @property
    def seed(self) -> int | None:
        """Seed of ``random:SEED`` weights, or None."""
        return int(self.weights[len("random:") :]) if self.weights and self.weights.startswith("random:") else None

    @property
    def weights_path(self) -> Path | None:
        """File of the weights, or None if they are a tag, random or not given."""
        if self.weights is None or self.seed is not None:
            return None
        is_path = "/" in self.weights or self.weights.lower().endswith(FILE_SUFFIXES)
        return Path(self.weights).expanduser() if is_path else None

    @property
    def tag(self) -> str | None:
        """Official tag of the weights, for a live network their digest, or None."""
        return self.weights if self.seed is None and self.weights_path is None else None


def _parts(source: str) -> tuple[str, str]:
    """Return architecture and weights that a source names; the path of a trained network may hold an @ of its own."""
    scheme, _, rest = source.partition(":")
    if scheme == TRAINED:
        path, _, seed = rest.rpartition("@random:")
        return (path, f"random:{seed}") if path and re.fullmatch(r"\d{1,18}", seed) else (rest, "")
    architecture, _, weights = rest.partition("@")
    return architecture, weights


def _check_source(source: str) -> None:
    if not isinstance(source, str) or ":" not in source:
        raise InputError(f"model {source!r} has no scheme; {_EXAMPLE}")
    scheme, _, rest = source.partition(":")
    if scheme == LIVE:
        _check_live(source, rest)
        return
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, SCHEMES)
        raise InputError(f"unknown scheme {scheme!r} in model {source!r}; schemes are {', '.join(SCHEMES)}.{hint}")
    if scheme == TRAINED:
        _check_trained(source, rest)
        return
    architecture, at, weights = rest.partition("@")
    if not architecture:
        raise InputError(f"model {source!r} names no architecture; {_EXAMPLE}")
    if at and not weights:
        raise InputError(
            f"model {source!r} ends in @ without weights; give a tag, a path or random:SEED, or drop the @"
        )
    if "://" in weights:
        raise InputError(
            f"model {source!r}: weights are read from a file system; copy the file there and give its path"
        )
    if weights.partition(":")[0] == "random" and not re.fullmatch(r"random:\d{1,18}", weights):
        raise InputError(f"weights {weights!r} of model {source!r} name no seed; write random:SEED, such as random:0")
    if scheme == "factory" and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", architecture):
        raise InputError(f"factory {architecture!r} is not of the form pkg.module:function")


def _check_live(source: str, rest: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][\w.]*-[0-9a-f]{8}@[0-9a-f]{64}", rest):
        raise InputError(
            f"model {source!r} has the scheme of networks that are handed over in Python; call filterscope.audit with the "
            "module itself, or name a function that makes it: factory:pkg.module:function"
        )


def _check_trained(source: str, rest: str) -> None:
    if "://" in rest:
        raise InputError(
            f"model {source!r}: networks are read from a file system; copy the run there and give its path"
        )
    if not (rest.rpartition("/")[0].strip() and rest.rpartition("/")[2].strip()):
        raise InputError(
            f"model {source!r} does not say which network; write trained:RUN/NAME, such as trained:runs/faces/plain-0"
        )


def _size(value: object, source: str) -> Any:
    pair = list(value) if _listed(value) else [value] * 2
    if value is None:
        return None
    if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair):
        raise InputError(f"input_size is {value!r} for {source}; give the pixels of one side, such as 224")
    if any(isinstance(side, int) and side > _LARGEST for side in pair):
        raise InputError(
            f"input_size is {value!r} for {source}; at most {_LARGEST}: one image of it takes 3 GiB as float32"
        )
    return pair[0] if pair[0] == pair[1] else tuple(pair)


def _arguments(values: object, source: str) -> tuple[str, ...]:
    if not _listed(values) or not all(isinstance(v, str) and _ARGUMENT.match(v) for v in values):
        raise InputError(f"args are {values!r} for {source}; write NAME=VALUE, such as transform_input=true")
    if values and source.startswith((f"{LIVE}:", f"{TRAINED}:")):
        raise InputError(f"args are {values!r} for {source}, which is built already")
    return tuple(values)


def _argument(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _listed(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def _channels(option: str, values: object, count: int, source: str) -> tuple[float, ...] | None:
    if values is None:
        return None
    numbers = _listed(values) and all(type(v) in (int, float) and math.isfinite(v) for v in values)
    if not numbers or not values or len(values) != count:  # type: ignore[arg-type]
        raise InputError(f"{option} is {values!r} for {source}; give three numbers, for R, G and B in 0..1")
    found = tuple(float(value) for value in values)  # type: ignore[attr-defined]
    if max(found) > 1 or min(found) < 0 or (option == "std" and 0 in found):
        raise InputError(f"{option} is {values!r} for {source}; it is in the scale 0..1 (divide by 255), std above 0")
    return found


__all__ = ["FILE_SUFFIXES", "INTERPOLATIONS", "LIVE", "SCHEMES", "TRAINED", "ModelSpec"]
