"""List the layers of a network, resolve what a user calls them, and copy their outputs during a forward pass.

A layer is a module whose output is a map (N, C, H, W). A module that is called more than once is one layer a call,
named ``name#k``, k from 0 in order of calls. Outputs (N, C) and the tokens of transformers can be tapped too
(`pipeline.models.outputs`), but never without being named: ``-1`` and globs mean maps alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.operators.numerics.basis import rotation
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.layer import NCHW, SEQUENCE, VECTOR, Layer
from filterscope.pipeline.models.outputs import TOKENS, address, as_maps, call_names, token_grid

LAST = "-1"
_SHOWN = 8
_ONE_VALUE = "it gives one value per unit, not a map"
_ATTENTION = "a token may see the whole image"

Hook = Callable[[nn.Module, Any, Any], Any]


@dataclass(frozen=True)
class _Call:
    """One call of a module: its name, class, shape of its output (none if it is no tensor) and number of its map."""

    module: str
    type: str
    shape: tuple[int, ...]
    output: int = -1

    @property
    def is_map(self) -> bool:
        return len(self.shape) == 4


def list_layers(
    module: nn.Module, input_size: tuple[int, int], *, what: str = "the network", channels: int = 3
) -> list[Layer]:
    """List the layers of a network that are maps, in the order in which their calls end.

    Parameters
    ----------
    module : nn.Module
        The network, in evaluation mode.
    input_size : tuple of int
        (height, width) of its input, pixels.
    what : str
        Name of the network, for the message.
    channels : int
        Of its input.

    Raises
    ------
    InputError
        If the network cannot take such an input, or no module gives a map.
    """
    layers = [layer for layer in list_all_layers(module, input_size, what, channels) if is_map(layer)]
    if not layers:
        raise InputError(f"{what} has no layer to tap: no module gives an output (N, C, H, W)")
    return layers


def list_flat_layers(
    module: nn.Module, input_size: tuple[int, int], *, what: str = "the network", channels: int = 3
) -> list[Layer]:
    """List what can be tapped besides maps, in the order in which calls end; parameters as of `list_layers`.

    Returns
    -------
    list of Layer
        Outputs (N, C) by their names, of height and width 1; sequences of tokens as ``name@tokens``, of the height and
        width of the grid of patches, where the network says what it is. None has a receptive field; `no_field` says why.

    Raises
    ------
    InputError
        If the network cannot take such an input.
    """
    return [layer for layer in list_all_layers(module, input_size, what, channels) if not is_map(layer)]


def is_map(layer: Layer) -> bool:
    """Tell whether a layer gives maps as it is, and neither tokens nor one value a unit."""
    return len(layer.layout) == 4


def list_all_layers(module: nn.Module, input_size: tuple[int, int], what: str, channels: int) -> list[Layer]:
    """List all that can be tapped, in the order in which calls end; maps are taken to be (N, C, H, W)."""
    grid, layers = token_grid(module), []
    for name, call in _named(_calls(module, (channels, *input_size), what)):
        size = call.shape[1:]
        if call.is_map:
            layers.append(Layer(name, call.type, size[0], size[1], size[2], call.output))
        elif len(size) == 1:
            layers.append(Layer(name, call.type, size[0], 1, 1, no_field=_ONE_VALUE, layout=VECTOR))
        elif len(size) == 2 and grid is not None and grid.prefix_of(size[0]) is not None:
            extents = size[1], grid.height, grid.width
            layers.append(Layer(name + TOKENS, call.type, *extents, no_field=_ATTENTION, layout=SEQUENCE))
    return layers


def _calls(module: nn.Module, input_shape: tuple[int, int, int], what: str) -> list[_Call]:
    calls: list[_Call] = []
    outputs: dict[tuple[int, int], tuple[int, Tensor]] = {}  # holds the tensors, so that no id is used twice

    def note(name: str, part: nn.Module, output: Any) -> None:
        shape, number = tuple(output.shape) if isinstance(output, Tensor) else (), -1
        if len(shape) == 4:
            number, _ = outputs.setdefault((id(output), output._version), (len(outputs), output))
        calls.append(_Call(name, type(part).__name__, shape, number))

    hooks = {name: _hook(note, name) for name, _ in module.named_modules() if name}
    try:
        with torch.no_grad():
            run_hooked(module, _noise(module, input_shape), hooks)
    except Exception as error:  # a network may refuse an input in any way
        size = " x ".join(map(str, input_shape))
        reason = str(error).splitlines()[0] if str(error) else ""
        raise InputError(
            f"{what} cannot take an input of {size} ({type(error).__name__}: {reason}); state its input_size"
        ) from error
    return calls


def _hook(note: Callable[[str, nn.Module, Any], Any], name: str) -> Hook:
    return lambda part, arguments, output: note(name, part, output)


def _noise(module: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    like = next(module.parameters(), torch.empty(0))
    noise = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0))
    return noise.to(device=like.device, dtype=like.dtype)


def run_hooked(module: nn.Module, batch: Tensor, hooks: dict[str, Hook]) -> Any:
    """Run a forward pass with a hook on each of the modules named, and return the output of the network."""
    with ExitStack() as stack:
        for name, hook in hooks.items():
            handle = module.get_submodule(name).register_forward_hook(hook)
            stack.callback(handle.remove)
        return module(batch)


def _named(calls: Sequence[_Call]) -> Iterable[tuple[str, _Call]]:
    names = call_names([call.module for call in calls], [call.is_map for call in calls])
    return zip(names, calls, strict=True)


def resolve_layers(
    patterns: Iterable[str],
    layers: Sequence[Layer],
    *,
    what: str = "the network",
    flat: Callable[[], Sequence[Layer]] = tuple,
    last: Layer | None = None,
) -> list[Layer]:
    """Return the layers that a user means, in order of execution, none twice; those that are no maps come last.

    Parameters
    ----------
    patterns : iterable of str
        Qualified names; globs, where ``*`` crosses dots and a name stands for all its calls; ``-1``, the outermost name
        of the last output with height and width above 1.
    layers : sequence of Layer
        What `list_layers` returned.
    what : str
        Name of the network, for the message.
    flat : callable
        Returns what `list_flat_layers` does; called where a pattern means no map. Such a layer must be named exactly.
    last : Layer, optional
        What ``-1`` means instead, where that is no map: the last block of a transformer.

    Raises
    ------
    InputError
        If a pattern means no layer, or names a module that is called more than once.
    """
    flat = cache(flat)
    wanted = {
        layer.name
        for pattern in patterns
        for layer in ([last] if last and pattern == LAST else _meant(pattern, layers, what, flat))
    }
    maps = [layer for layer in layers if layer.name in wanted]
    return maps + ([layer for layer in flat() if layer.name in wanted] if len(maps) < len(wanted) else [])


def _meant(pattern: str, layers: Sequence[Layer], what: str, flat: Callable[[], Sequence[Layer]]) -> Sequence[Layer]:
    if pattern == LAST:
        return [_last(layers, what)]
    exact = _exact(pattern, layers, what)
    if exact:
        return exact
    found = [layer for layer in layers if fnmatchcase(layer.name, pattern) or fnmatchcase(_module_of(layer), pattern)]
    if found:
        return found
    others = flat()
    exact = _exact(pattern, others, what)
    if not exact:
        raise InputError(_unknown(pattern, layers, others, what))
    return exact


def _exact(pattern: str, layers: Sequence[Layer], what: str) -> list[Layer]:
    """Return the layer of this very name, or none; a module that is called more than once is refused."""
    exact = [layer for layer in layers if layer.name == pattern]
    calls = [layer for layer in layers if _module_of(layer) == pattern]
    if calls and not exact:
        names = ", ".join(layer.name for layer in calls)
        times = f"{len(calls)} times" if len(calls) > 1 else "more than once"  # not every call need give maps
        raise InputError(f"layer {pattern!r} of {what} is called {times}; name a call: {names}")
    return exact


def _module_of(layer: Layer) -> str:
    return layer.name.partition("#")[0]


def _last(layers: Sequence[Layer], what: str) -> Layer:
    maps = [layer for layer in layers if layer.height > 1 and layer.width > 1]
    if not maps:
        raise InputError(f"no layer of {what} has height and width above 1, so -1 means none")
    alike = [layer for layer in maps if layer == maps[-1] or 0 <= layer.output == maps[-1].output]
    return min(alike, key=lambda layer: layer.name.count("."))


def _unknown(pattern: str, layers: Sequence[Layer], others: Sequence[Layer], what: str) -> str:
    if any(sign in pattern for sign in "*?["):
        return f"no layer of {what} matches {pattern!r}; `filterscope layers` lists them"
    outer = [layer.name for layer in layers if "." not in layer.name]
    shown = ", ".join((outer or [layer.name for layer in layers])[:_SHOWN])
    hint = did_you_mean(pattern, [layer.name for layer in (*layers, *others)])
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
    layouts : mapping of str to str, optional
        What the axes of layers' outputs are (`Layer.layout`), of those that are not (N, C, H, W).

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
        layouts: Mapping[str, str] | None = None,
    ) -> None:
        self.layouts = {name: layout for name, layout in (layouts or {}).items() if len(layout) == len(NCHW)}
        self.module, self.names, self.dtype, self.rotation = module, tuple(dict.fromkeys(names)), dtype, rotation
        self._bases: dict[str, Tensor] = {}
        self._calls: dict[tuple[str, int], list[str]] = {}
        self._grid = token_grid(module) if any(name.endswith(TOKENS) for name in self.names) else None
        modules = dict(module.named_modules())
        for name in self.names:
            place = address(name)
            if place is None or not place[0] or place[0] not in modules:
                hint = did_you_mean(name.partition("#")[0].removesuffix(TOKENS), filter(None, modules))
                raise InputError(f"layer {name!r} is not in the network.{hint}")
            self._calls.setdefault(place, []).append(name)

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
        return self._copies(batch, whole=False)[0]

    def with_output(self, batch: Tensor) -> tuple[dict[str, Tensor], Any]:
        """Run one whole forward pass in inference mode; return the copies and the output of the network."""
        return self._copies(batch, whole=True)

    def run(self, batch: Tensor, take: Callable[[str, Any], Any], *, whole: bool) -> Any:
        """Run a forward pass and hand the output of every layer to `take` as its call ends.

        Parameters
        ----------
        batch : Tensor of shape (N, 3, H, W)
            Preprocessed images.
        take : callable
            Receives name and output; what it returns takes the place of the output, unless it is None.
        whole : bool
            Whether to go on to the end once all layers were called.

        Returns
        -------
        object
            Output of the network; None if the pass ended early.

        Raises
        ------
        InputError
            If a layer was not called.
        """
        left = set(self.names)
        seen: Counter[str] = Counter()

        def note(part: str, module: nn.Module, output: Any) -> Any:
            replacement = None
            for name in self._calls.get((part, seen[part]), ()):
                taken = take(name, output if replacement is None else replacement)
                replacement = replacement if taken is None else taken
                left.discard(name)
            seen[part] += 1
            if not left and not whole:
                raise _AllCopied
            return replacement

        result = None
        with suppress(_AllCopied):
            result = run_hooked(self.module, batch, {part: _hook(note, part) for part, _ in self._calls})
        if left:
            absent = next(name for name in self.names if name in left)
            raise InputError(f"layer {absent!r} was not called in the forward pass")
        return result

    def units(self, name: str, output: Any) -> Tensor:
        """Return the output of a layer as maps (N, C, H, W) of its units, a view where the units are not rotated.

        Raises
        ------
        InputError
            If it cannot be taken as maps.
        """
        maps = as_maps(name, output, self._grid, self.layouts.get(name, NCHW))
        return maps if self.rotation is None else torch.einsum("dc,nchw->ndhw", self._basis(name, maps), maps)

    def silenced(self, name: str, output: Any, units: Any) -> Tensor:
        """Return a copy of the output of a layer, in its own shape, with the maps of some units set to 0.

        Raises
        ------
        InputError
            If it cannot be taken as maps.
        """
        copy = output.clone() if isinstance(output, Tensor) else output
        maps = as_maps(name, copy, self._grid, self.layouts.get(name, NCHW))  # a view
        if self.rotation is None:
            maps[:, units] = 0
        else:
            rows = self._basis(name, maps)[units]
            maps -= torch.einsum("dc,db,nbhw->nchw", rows, rows, maps)
        return copy

    @torch.inference_mode()
    def _copies(self, batch: Tensor, whole: bool) -> tuple[dict[str, Tensor], Any]:
        copies: dict[str, Tensor] = {}

        def copy(name: str, output: Any) -> None:
            units = self.units(name, output)
            dtype = self.dtype or units.dtype
            copies[name] = units.to(dtype=dtype, memory_format=torch.contiguous_format, copy=True)

        result = self.run(batch, copy, whole=whole)
        return {name: copies[name] for name in self.names}, result

    @torch.inference_mode(False)
    def _basis(self, name: str, output: Tensor) -> Tensor:
        """Return the rotation of a layer; no tensor of inference mode, so that gradients may pass through it."""
        if name not in self._bases:
            assert self.rotation is not None
            seed, alpha = self.rotation
            basis = torch.from_numpy(rotation(output.shape[1], seed, name, alpha))
            self._bases[name] = basis.to(device=output.device, dtype=output.dtype)
        return self._bases[name]


__all__ = [
    "LAST",
    "Layer",
    "Taps",
    "is_map",
    "list_all_layers",
    "list_flat_layers",
    "list_layers",
    "resolve_layers",
    "run_hooked",
]
