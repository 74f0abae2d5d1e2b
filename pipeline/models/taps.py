"""List the layers of a network, resolve what a user calls them, and copy their outputs during a forward pass.

A layer is a module whose output is a map (N, C, H, W). A module that is called more than once is one layer a call,
named ``name#k``, k from 0 in order of calls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.operators.numerics.basis import rotation
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.layer import Layer

LAST = "-1"
_SHOWN = 8

Hook = Callable[[nn.Module, Any, Any], None]


def list_layers(module: nn.Module, input_size: tuple[int, int], *, what: str = "the network") -> list[Layer]:
    """List the layers of a network in the order in which their calls end.

    Parameters
    ----------
    module : nn.Module
        The network, in evaluation mode.
    input_size : tuple of int
        (height, width) of its input, pixels.
    what : str
        Name of the network, for the message.

    Raises
    ------
    InputError
        If the network cannot take such an input, or no module gives a map.
    """
    calls: list[Layer] = []
    outputs: dict[tuple[int, int], tuple[int, Tensor]] = {}  # holds the tensors, so that no id is used twice

    def note(name: str, part: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            number, _ = outputs.setdefault((id(output), output._version), (len(outputs), output))
            _, channels, height, width = output.shape
            calls.append(Layer(name, type(part).__name__, channels, height, width, number))

    hooks = {name: _hook(note, name) for name, _ in module.named_modules() if name}
    try:
        with torch.no_grad():
            _forward(module, _noise(module, input_size), hooks)
    except Exception as error:  # a network may refuse an input in any way
        size = f"3 x {input_size[0]} x {input_size[1]}"
        reason = str(error).splitlines()[0] if str(error) else ""
        raise InputError(
            f"{what} cannot take an input of {size} ({type(error).__name__}: {reason}); state its input_size"
        ) from error
    if not calls:
        raise InputError(f"{what} has no layer to tap: no module gives an output (N, C, H, W)")
    return _numbered(calls)


def _hook(note: Callable[[str, nn.Module, Any], None], name: str) -> Hook:
    return lambda part, arguments, output: note(name, part, output)


def _noise(module: nn.Module, input_size: tuple[int, int]) -> Tensor:
    like = next(module.parameters(), torch.empty(0))
    noise = torch.rand((1, 3, *input_size), generator=torch.Generator().manual_seed(0))
    return noise.to(device=like.device, dtype=like.dtype)


def _forward(module: nn.Module, batch: Tensor, hooks: dict[str, Hook]) -> None:
    with ExitStack() as stack:
        for name, hook in hooks.items():
            handle = module.get_submodule(name).register_forward_hook(hook)
            stack.callback(handle.remove)
        module(batch)


def _numbered(calls: list[Layer]) -> list[Layer]:
    counts, seen, layers = Counter(call.name for call in calls), Counter[str](), []
    for call in calls:
        name = call.name if counts[call.name] == 1 else f"{call.name}#{seen[call.name]}"
        seen[call.name] += 1
        layers.append(replace(call, name=name))
    return layers


def resolve_layers(patterns: Iterable[str], layers: Sequence[Layer], *, what: str = "the network") -> list[Layer]:
    """Return the layers that a user means, in order of execution, none twice.

    Parameters
    ----------
    patterns : iterable of str
        Qualified names; globs, where ``*`` crosses dots and a name stands for all its calls; ``-1``, the outermost name
        of the last output with height and width above 1.
    layers : sequence of Layer
        What `list_layers` returned.
    what : str
        Name of the network, for the message.

    Raises
    ------
    InputError
        If a pattern means no layer, or names a module that is called more than once.
    """
    wanted = {layer.name for pattern in patterns for layer in _meant(pattern, layers, what)}
    return [layer for layer in layers if layer.name in wanted]


def _meant(pattern: str, layers: Sequence[Layer], what: str) -> list[Layer]:
    if pattern == LAST:
        return [_last(layers, what)]
    exact = [layer for layer in layers if layer.name == pattern]
    if exact:
        return exact
    calls = [layer for layer in layers if _module_of(layer) == pattern]
    if calls:
        names = ", ".join(layer.name for layer in calls)
        raise InputError(f"layer {pattern!r} of {what} is called {len(calls)} times; name a call: {names}")
    found = [layer for layer in layers if fnmatchcase(layer.name, pattern) or fnmatchcase(_module_of(layer), pattern)]
    if not found:
        raise InputError(_unknown(pattern, layers, what))
    return found


def _module_of(layer: Layer) -> str:
    return layer.name.partition("#")[0]


def _last(layers: Sequence[Layer], what: str) -> Layer:
    maps = [layer for layer in layers if layer.height > 1 and layer.width > 1]
    if not maps:
        raise InputError(f"no layer of {what} has height and width above 1, so -1 means none")
    alike = [layer for layer in maps if layer == maps[-1] or 0 <= layer.output == maps[-1].output]
    return min(alike, key=lambda layer: layer.name.count("."))


def _unknown(pattern: str, layers: Sequence[Layer], what: str) -> str:
    if any(sign in pattern for sign in "*?["):
        return f"no layer of {what} matches {pattern!r}; `filterscope layers` lists them"
    outer = [layer.name for layer in layers if "." not in layer.name]
    shown = ", ".join((outer or [layer.name for layer in layers])[:_SHOWN])
    hint = did_you_mean(pattern, [layer.name for layer in layers])
    return f"layer {pattern!r} is not in {what}.{hint} Outermost layers are: {shown}; `filterscope layers` lists all"


class _AllCopied(BaseException):
    """Ends a forward pass early; no `except Exception` inside a network catches it."""


class Taps:
    """Runs a network and returns copies of the outputs of some layers.

    Every output is copied the moment its call ends, for an in-place ReLU would overwrite it. The pass stops once all
    are copied. Hooks are in place during a call alone, so that the object pickles as its network does.

    Parameters
    ----------
    module : nn.Module
        The network, in evaluation mode.
    names : iterable of str
        Names of layers as `resolve_layers` returns them.
    dtype : torch.dtype, optional
        Of the copies; the network's own by default. A value out of its range becomes infinite.
    rotation : (int, float), optional
        Seed and share of a random rotation of every layer's units, see `operators.numerics.basis.rotation`; the copies are the
        activations of the rotated units.

    Raises
    ------
    InputError
        If a name is no module of the network.
    """

    def __init__(
        self,
        module: nn.Module,
        names: Iterable[str],
        *,
        dtype: torch.dtype | None = None,
        rotation: tuple[int, float] | None = None,
    ) -> None:
        self.module, self.names, self.dtype, self.rotation = module, tuple(names), dtype, rotation
        self._bases: dict[str, Tensor] = {}
        self._calls: dict[str, dict[int, str]] = {}
        modules = dict(module.named_modules())
        for name in self.names:
            part, _, call = name.partition("#")
            if part not in modules or not part or (call and not call.isdecimal()):
                raise InputError(f"layer {name!r} is not in the network.{did_you_mean(part, filter(None, modules))}")
            self._calls.setdefault(part, {})[int(call or 0)] = name

    def __call__(self, batch: Tensor) -> dict[str, Tensor]:
        """Run one forward pass in inference mode.

        Parameters
        ----------
        batch : Tensor of shape (N, 3, H, W)
            Preprocessed images, in any memory format.

        Returns
        -------
        dict of Tensor of shape (N, C, h, w)
            Name -> contiguous copy, in the order of `names`.

        Raises
        ------
        InputError
            If a layer was not called, or its output is no map.
        """
        copies: dict[str, Tensor] = {}
        seen: Counter[str] = Counter()

        def copy(part: str, module: nn.Module, output: Any) -> None:
            name = self._calls[part].get(seen[part])
            seen[part] += 1
            if name is not None:
                copies[name] = self._copied(name, output)
                if len(copies) == len(set(self.names)):
                    raise _AllCopied

        try:
            with torch.inference_mode():
                _forward(self.module, batch, {part: _hook(copy, part) for part in self._calls})
        except _AllCopied:
            pass
        if absent := [name for name in self.names if name not in copies]:
            raise InputError(f"layer {absent[0]!r} was not called in the forward pass")
        return {name: copies[name] for name in self.names}

    def _copied(self, name: str, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(f"layer {name!r} gives {shape}, not a map (N, C, H, W)")
        if self.rotation is not None:
            output = torch.einsum("dc,nchw->ndhw", self._basis(name, output), output)
        dtype = self.dtype or output.dtype
        return output.to(dtype=dtype, memory_format=torch.contiguous_format, copy=True)

    def _basis(self, name: str, output: Tensor) -> Tensor:
        if name not in self._bases:
            assert self.rotation is not None
            seed, alpha = self.rotation
            basis = torch.from_numpy(rotation(output.shape[1], seed, name, alpha))
            self._bases[name] = basis.to(device=output.device, dtype=output.dtype)
        return self._bases[name]


__all__ = ["LAST", "Layer", "Taps", "list_layers", "resolve_layers"]
