"""The state of a training as one safetensors file: nested state dicts of tensors, numbers and words, without pickles."""

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from filterscope.pipeline.models.trained import KEY


def packed(state: Mapping[str, Any]) -> bytes:
    """Return a nested state as the bytes of a safetensors file; the same bytes for the same state.

    Parameters
    ----------
    state : mapping
        Mappings with keys of text or whole numbers, lists, tuples, tensors, numbers, text and None, nested at will.

    Raises
    ------
    TypeError
        If it holds anything else.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    stated = json.dumps(_plain(state, "state", tensors))
    return save(tensors, {KEY: stated})


def unpacked(data: bytes) -> dict[str, Any]:
    """Return the state that `packed` was given; tuples come back as lists.

    Raises
    ------
    ValueError
        If the bytes are not of such a file.
    """
    from safetensors.torch import load

    try:
        length = int.from_bytes(data[:8], "little")
        stated = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
        return _nested(stated, load(data))
    except Exception as error:  # a damaged file fails in any way
        raise ValueError(f"not the state of a training: {error}") from error


def _plain(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[where] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": where}
    if isinstance(value, Mapping):
        if not all(type(key) in (str, int) for key in value):
            raise TypeError(f"{where} has keys that are neither text nor whole numbers")
        return {"pairs": [[key, _plain(inner, f"{where}.{key}", tensors)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_plain(inner, f"{where}.{place}", tensors) for place, inner in enumerate(value)]}
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    raise TypeError(f"{where} is a {type(value).__name__}, which a state cannot hold")


def _nested(stated: Any, tensors: Mapping[str, Tensor]) -> Any:
    ((kind, value),) = stated.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "pairs":
        return {key: _nested(inner, tensors) for key, inner in value}
    if kind == "list":
        return [_nested(inner, tensors) for inner in value]
    return value


__all__ = ["packed", "unpacked"]
