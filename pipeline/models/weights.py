"""Read state dicts without executing anything, fit them to a network, and digest them."""

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.names import refuse_absent
from filterscope.pipeline.models.pickled import CostError, refuse_costly

#: Names that wrappers put into keys, in front of them or in the middle.
WRAPPERS = ("module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_SHOWN = 3
_DEPTH = 3
#: Keys of a file that a message names, and characters of each.
_NAMED, _LONGEST_NAME = 20, 100
#: Parts of a key that a prefix may have.
_PREFIX_PARTS = 16
#: What stands where weights should, by how the file begins.
_OTHERS = (
    (rb"version https://git-lfs", "is a git-lfs pointer, not the weights themselves; run `git lfs pull`"),
    (
        rb"(?i)<(!doctype|html|head|!--)",
        "is an HTML page, such as a site shows before a download starts; download the file itself",
    ),
    (rb"<\?xml", "is an XML text, such as a store returns when access is denied; download the file itself"),
    (rb"\x1f\x8b", "is a gzip archive; unpack it and give the file inside"),
    (rb"(?s)\{.*\"weight_map\"", "is the index of weights in pieces; join them into one file and give that"),
    (rb"\{[\s\"}]", "is a JSON text, such as a store returns when access is denied; download the file itself"),
    (rb"\x89HDF", "is an HDF5 file, such as Keras writes; convert it to PyTorch's names and shapes"),
)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal; InputError if there is no such file."""
    refuse_absent(path)
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


@dataclass(frozen=True)
class _Copy:
    """Weights of the network in a file: in which state dict, after which prefix of its keys, and how many of those wanted."""

    where: str
    prefix: str
    count: int


def read_state(
    path: Path, expected: Collection[str], state_key: str | None = None, prefix: str | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Read the state dict of a checkpoint file.

    Parameters
    ----------
    path : Path
        A ``torch.save`` file, or one of safetensors.
    expected : collection of str
        Keys of the network: of all state dicts in the file, and of all prefixes of their keys, the one is taken under
        which most of them are found.
    state_key : str, optional
        Where the state dict is inside the file; dots lead deeper.
    prefix : str, optional
        What the keys of the network begin with in the file; ``""`` for nothing.

    Returns
    -------
    state : dict of Tensor
        The state dict, without that prefix and the names of wrappers (`WRAPPERS`).
    notes : list of str
        What was unwrapped, and what stands beside the network and was left out.

    Raises
    ------
    InputError
        If the file is unreadable, would execute code, holds no state dict, or several that fit.
    """
    content = _read(path)
    found = _follow(content, state_key, path) if state_key else dict(_state_dicts(content))
    if not found:
        raise InputError(f"weights {path} hold no state dict, but {_contents(content)}")
    for state in found.values():
        _refuse_odd(state, path)
    wanted = frozenset(expected)
    chosen = _chosen(found, wanted, prefix, path)
    state, beside = _cut(found[chosen.where], chosen, wanted)
    notes = [f"read the state dict {chosen.where!r} of {path.name}"] if chosen.where else []
    if chosen.prefix:
        notes.append(f"dropped the prefix {chosen.prefix!r} of the keys of {path.name}")
    if beside:
        names = list(dict.fromkeys(key.partition(".")[0] for key in beside))
        keys = "1 key" if len(beside) == 1 else f"{len(beside)} keys"
        notes.append(f"left out {keys} of {path.name} that are not of the network: {first_of(names)}")
    return state, notes


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        begin = file.read(1024)
    # a header of JSON after the eight bytes of its length, whatever the file is called
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") <= path.stat().st_size:
        return _read_safetensors(path)
    for pattern, what in _OTHERS:
        if re.match(pattern, begin.removeprefix(b"\xef\xbb\xbf").lstrip()):
            raise InputError(f"weights {path}: the file {what}")
    return _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # a damaged file fails in any way
        raise InputError(f"weights {path} are not a readable safetensors file: {error}") from error


def _read_pickle(path: Path) -> Any:
    try:
        # what is compressed cannot be mapped: its bytes would be taken for numbers
        return torch.load(path, map_location="cpu", weights_only=True, mmap=refuse_costly(path))
    except CostError as error:
        raise InputError(f"weights {path} were not read: {error}") from error
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


def _state_dicts(content: Any) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the state dicts of a file, each once: under the first of the shortest names that lead to it."""
    seen, level = set(), [("", content)]
    for _ in range(_DEPTH + 1):
        below = []
        for where, value in level:
            if not isinstance(value, Mapping) or id(value) in seen:
                continue
            seen.add(id(value))
            if tensors := _tensors(value):
                yield where, tensors
            below += [(f"{where}.{key}".lstrip("."), inner) for key, inner in value.items() if isinstance(key, str)]
        level = below


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    tensors = OrderedDict((k, v) for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor))
    _keep_versions(content, tensors)
    return tensors


def _keep_versions(source: Mapping[str, Any], target: Any, prefix: str = "") -> None:
    """Carry over the module versions that `load_state_dict` migrates old checkpoints by."""
    versions = getattr(source, "_metadata", None)
    if versions is not None:
        target._metadata = {key.removeprefix(prefix): value for key, value in versions.items()}


def _follow(content: Any, state_key: str, path: Path) -> dict[str, dict[str, Tensor]]:
    """Return the state dict of a name; a part of the name may have dots of its own."""
    found = dict(_state_dicts(content))
    level = {(id(content), state_key): (content, state_key)} if isinstance(content, Mapping) else {}
    while level and state_key not in found:
        below = {}
        for value, rest in level.values():
            for end in (place for place, letter in enumerate(f"{rest}.") if letter == "."):
                inner = value.get(rest[:end])
                if not isinstance(inner, Mapping):
                    continue
                if end < len(rest):
                    below[id(inner), rest[end + 1 :]] = inner, rest[end + 1 :]
                elif tensors := _tensors(inner):
                    return {state_key: tensors}
        level = below
    if state_key not in found:
        raise InputError(
            f"state_key {state_key!r} is no state dict of {path}, which holds {_contents(content)}."
            f"{did_you_mean(state_key, found)}"
        )
    return {state_key: found[state_key]}


def _chosen(found: Mapping[str, dict[str, Tensor]], expected: frozenset[str], prefix: str | None, path: Path) -> _Copy:
    """Return the one copy of the network in a file; two that are as complete are both named."""
    copies = [copy for where, state in found.items() for copy in _copies(where, state, expected)]
    if prefix is not None:
        copies = _with_prefix(found, copies, prefix, path)
    most = max((copy.count for copy in copies), default=0)
    if prefix is None and (not copies or 2 * most < sum(not _is_counter(key) for key in expected)):
        return _misfit(found, copies)
    best = [copy for copy in copies if copy.count == most]
    places = list(dict.fromkeys(copy.where for copy in best))
    if len(places) > 1:
        names = ", ".join(repr(where) if where else "the top level" for where in places)
        raise InputError(f"weights {path} hold several state dicts: {names}; choose one with state_key (--state-key)")
    if len(best) > 1:
        names = ", ".join(repr(copy.prefix) for copy in best)
        raise InputError(
            f"weights {path} hold the network several times, under the prefixes {names}; choose one with prefix (--prefix)"
        )
    return best[0]


def _copies(where: str, state: Collection[str], expected: frozenset[str]) -> list[_Copy]:
    counts: Counter[str] = Counter()
    wrappers = _wrappers(expected)
    for key in state:
        if not _is_counter(key):
            counts.update(prefix for prefix, rest in _splits(key, wrappers) if rest in expected)
    return [_Copy(where, prefix, count) for prefix, count in counts.items()]


def _wrappers(expected: Collection[str]) -> frozenset[str]:
    """Return the names that wrap, and none of which is the network's own."""
    return frozenset(WRAPPERS) - {part for key in expected for part in key.split(".")}


def _splits(key: str, wrappers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each prefix that a key may have, and the rest of it without wrappers."""
    parts = key.split(".")
    for number, part in enumerate(parts[:_PREFIX_PARTS]):
        if part not in wrappers:
            yield (
                "".join(f"{part}." for part in parts[:number]),
                ".".join(p for p in parts[number:] if p not in wrappers),
            )


def _with_prefix(found: Mapping[str, Collection[str]], copies: Sequence[_Copy], prefix: str, path: Path) -> list[_Copy]:
    stated = prefix if not prefix or prefix.endswith(".") else f"{prefix}."
    chosen = [copy for copy in copies if copy.prefix == stated]
    if not chosen:
        known = [copy.prefix for copy in sorted(copies, key=lambda copy: -copy.count)]
        most = f" Most of its keys are found under {known[0]!r}." if known else ""
        raise InputError(
            f"no key of the network is found under the prefix {prefix!r} in {path}.{did_you_mean(prefix, known) or most}"
        )
    return chosen


def _misfit(found: Mapping[str, Collection[str]], copies: Sequence[_Copy]) -> _Copy:
    """Return what the message about missing keys should speak of: the fullest state dict, after what all its keys share."""
    counts = dict.fromkeys(found, 0)
    for copy in copies:
        counts[copy.where] = max(counts[copy.where], copy.count)
    where = max(found, key=lambda where: (counts[where], len(found[where])))
    shared = [c.prefix for c in copies if c.where == where and all(key.startswith(c.prefix) for key in found[where])]
    return _Copy(where, min(shared, key=len, default=""), 0)


def _cut(state: dict[str, Tensor], chosen: _Copy, expected: frozenset[str]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the keys of one copy as the network names them, and those that stand beside it."""
    wrappers, own = _wrappers(expected), {key.partition(".")[0] for key in expected}
    kept: OrderedDict[str, Tensor] = OrderedDict()
    beside = []
    for key, value in state.items():
        rest = dict(_splits(key, wrappers)).get(chosen.prefix)
        # further layers of a sequence are another network, not something beside it
        if rest is None or not (chosen.count == 0 or rest.partition(".")[0] in own or _numbered(rest, own)):
            beside.append(key)
        else:
            kept[rest] = value
    _keep_versions(state, kept, chosen.prefix)
    return kept, beside


def _numbered(key: str, own: Collection[str]) -> bool:
    return key.partition(".")[0].isdigit() and any(name.isdigit() for name in own)


def _is_counter(key: str) -> bool:
    """Tell whether a key is the counter of a batch norm, which older files lack and nothing reads in evaluation."""
    return key.endswith("num_batches_tracked")


def _contents(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = [str(key)[:_LONGEST_NAME] for key in islice(content, _NAMED)]
    more = f" and {len(content) - _NAMED} more" if len(content) > _NAMED else ""
    return f"the keys {', '.join(names)}{more}" if content else "nothing"


def reshaped(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return key -> (shape in the file, shape in the network) where both have the key and the shapes differ."""
    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items() if isinstance(v, Tensor)}
    return {k: (tuple(v.shape), shapes[k]) for k, v in state.items() if k in shapes and tuple(v.shape) != shapes[k]}


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, what: str, path: Path) -> list[str]:
    """Copy a state dict into a network.

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

    Returns
    -------
    list of str
        Keys of the network that the file lacks, whose values stay as they were, such as those of a head; whoever uses
        the network must see to it that nothing depends on them (`absent.refuse_dependent`).

    Raises
    ------
    InputError
        If no key fits, keys are unexpected, shapes differ, or numbers are quantised; all are counted and the first listed.
    """
    own = module.state_dict()
    # a file may hold tensors that are one only once
    held = {own[key].data_ptr() for key in state if key in own and own[key].numel()}
    missing = [key for key in own if key not in state and not _is_counter(key) and own[key].data_ptr() not in held]
    absent = _absent_modules(own, state)
    unexpected = [key for key in state if key not in own and absent.isdisjoint(_modules_of(key))]
    shapes = [f"{k} is {file} instead of {own}" for k, (file, own) in reshaped(module, state).items()]
    if unexpected or shapes or not any(key in state for key in own):
        raise InputError(
            misfit(path, what, (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)))
        )
    _refuse_unreal(path, state, own, what)
    module.load_state_dict({key: value for key, value in state.items() if key in own}, strict=False)
    return missing


def _refuse_unreal(path: Path, state: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str) -> None:
    """Raise InputError where a file has complex numbers or integers for floating-point numbers, which torch would cast."""
    real = [key for key in state if key in own and own[key].is_floating_point()]
    if unreal := [key for key in real if state[key].is_complex()]:
        raise InputError(
            f"weights {path} have complex numbers in {_count(unreal, 'of complex numbers')} where {what} has real ones; save "
            "their real parts, if these are the weights"
        )
    quantised = [
        f"{key} is {value.dtype}"
        for key, value in ((key, state[key]) for key in real)
        if value.itemsize == 1 or not value.is_floating_point()
    ]
    if quantised:
        raise InputError(
            f"weights {path} are quantised: {_count(quantised, 'of integers')} where {what} has floating-point numbers, and "
            "the values they encode cannot be recovered; give the file from before quantisation"
        )


def _absent_modules(own: Collection[str], state: Collection[str]) -> set[str]:
    """Return the modules of a network of which a file has nothing; what it has in their place is another head."""
    return {name for key in own for name in _modules_of(key)} - {
        name for key in state if key in own for name in _modules_of(key)
    }


def _modules_of(key: str) -> Iterator[str]:
    """Yield the names of the modules that a key lies in."""
    for end in (place for place, letter in enumerate(key) if letter == "."):
        yield key[:end]


def misfit(path: Path, what: str, found: Iterable[tuple[str, list[str]]]) -> str:
    """Return the message about keys that do not fit, by what is wrong with them."""
    listed = "; ".join(_count(keys, kind) for kind, keys in found if keys)
    return f"weights {path} do not fit {what}: {listed}; name the architecture that the file was trained with"


def _count(keys: list[str], kind: str) -> str:
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {kind} ({first_of(keys)})"


def first_of(keys: Sequence[str]) -> str:
    """Return the first keys as a message lists them."""
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def renamed(state: dict[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the state dict with every key renamed, module versions kept."""
    result = OrderedDict((rename(key), value) for key, value in state.items())
    _keep_versions(state, result)
    return result


__all__ = [
    "WRAPPERS",
    "file_sha256",
    "first_of",
    "load_state",
    "misfit",
    "read_state",
    "renamed",
    "reshaped",
    "state_sha256",
]
