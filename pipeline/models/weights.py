"""Read state dicts without executing anything, fit them to a network, and digest them."""

import hashlib
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError, did_you_mean

PREFIXES = ("module.", "model.", "_orig_mod.")
_SHOWN = 3
_DEPTH = 3


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal; InputError if there is no such file."""
    if not path.is_file():
        raise InputError(f"no weights file at {path}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 over key, dtype, shape and bytes of each tensor, in order of keys, hexadecimal."""
    digest = hashlib.sha256()
    for key in sorted(key for key, value in state.items() if isinstance(value, Tensor)):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_state(
    path: Path, expected: Collection[str], state_key: str | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Read the state dict of a checkpoint file.

    Parameters
    ----------
    path : Path
        A ``torch.save`` file, or ``.safetensors``.
    expected : collection of str
        Keys of the network; they decide between several state dicts in one file, and whether a prefix is foreign.
    state_key : str, optional
        Where the state dict is inside the file; dots lead deeper.

    Returns
    -------
    state : dict of Tensor
        The state dict, without the prefixes of wrappers (`PREFIXES`).
    notes : list of str
        What was unwrapped.

    Raises
    ------
    InputError
        If the file is unreadable, would execute code, holds no state dict, or several that fit.
    """
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    where, state = _follow(content, state_key, path) if state_key else _choose(content, expected, path)
    notes = [f"read the state dict {where!r} of {path.name}"] if where else []
    _refuse_odd(state, path)
    state, prefix = _strip(state, expected)
    return state, notes + ([f"dropped the prefix {prefix!r} of the keys of {path.name}"] if prefix else [])


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # a damaged file fails in any way
        raise InputError(f"weights {path} are not a readable safetensors file: {error}") from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged file fails in any way
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        if foreign or "TorchScript" in str(error):
            raise InputError(_refusal(path, foreign[1] if foreign else "a TorchScript program")) from error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if reason.startswith("Weights only load failed"):
            target = path.with_suffix(".safetensors").name
            reason = (
                "not written by torch.save; a pickle of another kind could execute code when read, so it was not loaded: "
                f"if you trust it, load it yourself and write its tensors with safetensors.torch.save_file(tensors, {target!r})"
            )
        raise InputError(f"weights {path} are not a readable checkpoint: {reason}") from error


def _refuse_odd(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that are more than the numbers in the file, so that a small file cannot ask for much memory."""
    for key, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_nested:
            raise InputError(
                f"weights {path}: {key[:200]!r} is no dense tensor; save it with .dequantize() or .to_dense()"
            )
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"weights {path}: {key[:200]!r} repeats its numbers; save it with .contiguous()")


def _refusal(path: Path, what: str) -> str:
    target = path.with_suffix(".safetensors").name
    return (
        f"weights {path} hold {what}, which could execute code when read, so the file was not loaded; if you trust it, "
        f"convert it once: load it with torch.load({path.name!r}, weights_only=False) and write its state dict with "
        f"safetensors.torch.save_file(state_dict, {target!r})"
    )


def _state_dicts(content: Any, where: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping):
        return
    tensors = OrderedDict((k, v) for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor))
    if tensors:
        _keep_versions(content, tensors)
        yield where, tensors
    for key, value in content.items():
        if isinstance(key, str) and depth:
            yield from _state_dicts(value, f"{where}.{key}".lstrip("."), depth - 1)


def _keep_versions(source: Mapping[str, Any], target: Any, prefix: str = "") -> None:
    """Carry over the module versions that `load_state_dict` migrates old checkpoints by."""
    versions = getattr(source, "_metadata", None)
    if versions is not None:
        target._metadata = {key.removeprefix(prefix): value for key, value in versions.items()}


def _choose(content: Any, expected: Collection[str], path: Path) -> tuple[str, dict[str, Tensor]]:
    found = dict(_state_dicts(content))
    if not found:
        raise InputError(f"weights {path} hold no state dict, but {_contents(content)}")
    shared = {where: len(set(expected) & set(_strip(state, expected)[0])) for where, state in found.items()}
    # Where nothing fits, the largest is what the message about missing keys should speak of.
    rank = shared if any(shared.values()) else {where: len(state) for where, state in found.items()}
    best = [where for where in found if rank[where] == max(rank.values())]
    if len(best) > 1:
        names = ", ".join(repr(where) if where else "the top level" for where in best)
        raise InputError(f"weights {path} hold several state dicts: {names}; choose one with state_key")
    return best[0], found[best[0]]


def _follow(content: Any, state_key: str, path: Path) -> tuple[str, dict[str, Tensor]]:
    found = dict(_state_dicts(content, depth=state_key.count(".") + _DEPTH))
    if state_key not in found:
        raise InputError(
            f"state_key {state_key!r} is no state dict of {path}, which holds {_contents(content)}."
            f"{did_you_mean(state_key, found)}"
        )
    return state_key, found[state_key]


def _contents(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    return f"the keys {', '.join(map(str, content))}" if content else "nothing"


def _strip(state: dict[str, Tensor], expected: Collection[str]) -> tuple[dict[str, Tensor], str]:
    dropped = ""
    while prefix := next((p for p in PREFIXES if _is_foreign(p, state, expected)), ""):
        shorter = OrderedDict((key.removeprefix(prefix), value) for key, value in state.items())
        _keep_versions(state, shorter, prefix)
        state, dropped = shorter, dropped + prefix
    return state, dropped


def _is_foreign(prefix: str, state: Collection[str], expected: Collection[str]) -> bool:
    return all(key.startswith(prefix) for key in state) and not any(key.startswith(prefix) for key in expected)


def reshaped(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return key -> (shape in the file, shape in the network) where both have the key and the shapes differ."""
    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items() if isinstance(v, Tensor)}
    return {k: (tuple(v.shape), shapes[k]) for k, v in state.items() if k in shapes and tuple(v.shape) != shapes[k]}


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, what: str, path: Path) -> None:
    """Copy a state dict into a network, complete and exact.

    Parameters
    ----------
    module : nn.Module
        The network; changed in place.
    state : mapping of Tensor
        Its state, as `read_state` returns it.
    what : str
        Name of the architecture, for the message.
    path : Path
        The file, for the message.

    Raises
    ------
    InputError
        If keys are missing or unexpected, or shapes differ; all are counted and the first are listed.
    """
    expected = set(module.state_dict())
    # Files older than this counter of batch norm lack it, and nothing reads it in evaluation.
    missing = [k for k in module.state_dict() if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in state if k not in expected]
    shapes = [f"{k} is {file} instead of {own}" for k, (file, own) in reshaped(module, state).items()]
    found = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    if listed := [_count(keys, kind) for kind, keys in found if keys]:
        advice = "name the architecture that the file was trained with"
        raise InputError(f"weights {path} do not fit {what}: {'; '.join(listed)}; {advice}")
    module.load_state_dict(state, strict=False)


def _count(keys: list[str], kind: str) -> str:
    more = ", ..." if len(keys) > _SHOWN else ""
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {kind} ({', '.join(keys[:_SHOWN])}{more})"


def renamed(state: dict[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the state dict with every key renamed, module versions kept."""
    result = OrderedDict((rename(key), value) for key, value in state.items())
    _keep_versions(state, result)
    return result


__all__ = ["PREFIXES", "file_sha256", "load_state", "read_state", "renamed", "reshaped", "state_sha256"]
