"""Networks that `filterscope train` left: a safetensors file of the weights, which says how to build what they belong to.

Nothing of it is executed: the network is one of `ARCHITECTURES`, built from numbers and words.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.names import RECORD, located
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.stores.places import Place, is_local, open_ranges, signature, write_atomically
from filterscope.pipeline.views.transform import Transform

if TYPE_CHECKING:
    from torch import Tensor, nn

#: The one key of the metadata: a file with several would have them in another order each time.
KEY = "filterscope"
_FORMAT = 1
#: Largest head of a file in bytes, as safetensors has it.
_HEAD = 100_000_000


@dataclass(frozen=True)
class Description:
    """What a checkpoint says of its network.

    Attributes
    ----------
    architecture : str
        One of `architectures.ARCHITECTURES`.
    arguments : mapping
        What that is built from: numbers, words and lists of them.
    transform : Transform
        Preprocessing.
    names : tuple of str
        What its scores are called: classes or attributes; empty where it gives none.
    recipe : str
        What trained it.
    about : mapping
        More for people and for those who train on: subject, seed, epochs, data.
    weights : str
        SHA-256 of the weights, as `weights.state_sha256`.
    """

    architecture: str
    arguments: Mapping[str, Any]
    transform: Transform
    names: tuple[str, ...] = ()
    recipe: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""


def write_network(path: Place, state: "Mapping[str, Tensor]", description: Description) -> str:
    """Write the weights of a network with what they belong to; the same bytes for the same weights.

    Returns
    -------
    str
        SHA-256 of the file, hexadecimal.
    """
    from dataclasses import replace
    from hashlib import sha256

    from safetensors.torch import save

    from filterscope.pipeline.models.weights import state_sha256

    kept = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    stated = {"format": _FORMAT, **asdict(replace(description, weights=state_sha256(kept)))}
    data = save(kept, {KEY: json.dumps(stated, sort_keys=True)})
    write_atomically(path, data)
    return sha256(data).hexdigest()


def read_description(file: Path) -> Description:
    """Read what a checkpoint says of its network, without its weights.

    Raises
    ------
    InputError
        If the file is damaged or was not written by a training.
    """
    return _described(file, *signature(file))


def _metadata(file: Path) -> dict[str, str]:
    """Return what the head of a safetensors file states beside its tensors."""
    if not is_local(file):
        with open_ranges(file) as ranges:
            size = int.from_bytes(ranges.read_range(0, 8), "little")
            if size > _HEAD:
                raise ValueError(f"a head of {size:,} bytes")
            return dict(json.loads(ranges.read_range(8, 8 + size)).get("__metadata__") or {})
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return opened.metadata() or {}


@lru_cache(maxsize=64)
def _described(file: Path, size: int, time: int) -> Description:
    try:
        text = _metadata(file).get(KEY)
    except Exception as error:  # a damaged file fails in any way
        raise InputError(f"the trained network {file} cannot be read ({error}); {_again(file)}") from error
    if text is None:
        raise InputError(
            f"{file} says nothing of its network: it was not written by `filterscope train`; name its architecture "
            "instead, as in torchvision:resnet18@PATH"
        )
    try:
        return _parsed(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"the trained network {file} describes itself wrongly ({error}); {_again(file)}") from error


def _again(file: Path) -> str:
    run = file.parent.parent
    if (run / RECORD).is_file():
        return f"`filterscope doctor {run} --repair` computes it again"
    return "train it again"


def _parsed(stated: Mapping[str, Any]) -> Description:
    from filterscope.pipeline.models.architectures import ARCHITECTURES

    if stated["format"] != _FORMAT:
        raise ValueError(f"format {stated['format']!r}")
    if stated["architecture"] not in ARCHITECTURES:
        raise ValueError(f"architecture {str(stated['architecture'])[:80]!r}, none of {', '.join(ARCHITECTURES)}")
    given = stated["transform"]
    transform = Transform(
        tuple(given["input_size"]),
        given["resize_size"],
        given["interpolation"],
        tuple(given["mean"]),
        tuple(given["std"]),
    )
    # checks every value as it does those that a user states
    ModelSpec(
        "module:Network-00000000@" + 64 * "0",
        input_size=transform.input_size,
        mean=transform.mean,
        std=transform.std,
        interpolation=transform.interpolation,
    )
    names, arguments, about = tuple(stated["names"]), stated["arguments"], stated["about"]
    if not all(type(name) is str for name in (*names, stated["recipe"], stated["weights"])):
        raise TypeError("a name is no text")
    if type(transform.resize_size) is not int or not isinstance(arguments, dict) or not isinstance(about, dict):
        raise TypeError("a value is of another type")
    return Description(stated["architecture"], arguments, transform, names, stated["recipe"], about, stated["weights"])


def build(description: Description, file: Path) -> "nn.Module":
    """Build the network that a checkpoint describes, with weights that are still random.

    Raises
    ------
    InputError
        If it cannot be built so, or would have other weights than the file: nothing large is made before that is known.
    """
    import torch
    from safetensors import safe_open

    from filterscope.pipeline.models.architectures import ARCHITECTURES
    from filterscope.pipeline.models.weights import misfit

    make = ARCHITECTURES[description.architecture]
    try:
        with torch.device("meta"):
            own = {key: list(value.shape) for key, value in make(**description.arguments).state_dict().items()}
        with safe_open(file, framework="pt") as opened:
            found = {key: opened.get_slice(key).get_shape() for key in opened.keys()}  # noqa: SIM118  (no mapping)
    except Exception as error:  # an architecture may refuse its arguments in any way
        raise InputError(f"the trained network {file} cannot be built ({error}); {_again(file)}") from error
    missing, unexpected = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    other = [
        f"{key} is {tuple(found[key])} instead of {tuple(own[key])}"
        for key in own
        if found.get(key, own[key]) != own[key]
    ]
    if missing or unexpected or other:
        wrong = (("missing", missing), ("unexpected", unexpected), ("of another shape", other))
        raise InputError(misfit(file, description.architecture, wrong).partition("; name the architecture")[0])
    return make(**description.arguments)


def read_network(file: Path) -> "tuple[Description, dict[str, Tensor]]":
    """Read a checkpoint whole.

    Raises
    ------
    InputError
        If it is damaged, or its weights are not those that were written.
    """
    from safetensors.torch import load_file

    from filterscope.pipeline.models.weights import state_sha256

    description = read_description(file)
    try:
        state = load_file(file)
    except Exception as error:  # a damaged file fails in any way
        raise InputError(f"the trained network {file} cannot be read ({error}); {_again(file)}") from error
    if state_sha256(state) != description.weights:
        raise InputError(
            f"the weights of {file} are not those that were trained (their SHA-256 differs); {_again(file)}"
        )
    return description, state


def trained_names(spec: ModelSpec, count: int) -> list[str] | None:
    """Return what the scores of a trained network are called, None where they are others than those it was trained for."""
    names = read_description(located(spec.architecture)).names
    return list(names) if len(names) == count else None


__all__ = [
    "KEY",
    "Description",
    "build",
    "read_description",
    "read_network",
    "trained_names",
    "write_network",
]
