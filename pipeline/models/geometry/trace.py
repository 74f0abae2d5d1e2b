"""Run a network without computing values, and follow through its operations what the positions of its maps see.

Every operation says what its outputs see, given what its operands see: the recursion of Araujo, Norris and Sim 2019
("Computing receptive fields of convolutional neural networks") over operations instead of layers.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from filterscope.pipeline.models.field import Field
from filterscope.pipeline.models.geometry.positions import Positions
from filterscope.pipeline.models.geometry.rules import Call, follow, is_pointwise, tensors_in
from filterscope.pipeline.models.geometry.span import NoFieldError, Span
from filterscope.pipeline.models.layer import layout_of
from filterscope.pipeline.models.outputs import call_names

#: Positions, or the reason why there are none.
_State = Positions | str


@dataclass(frozen=True)
class Followed:
    """What is known of a map: its field, or why it has none, and what its axes are, or None where that was not followed."""

    field: Field | str
    layout: str | None = None


def receptive_fields(module: nn.Module, input_size: tuple[int, int], channels: int = 3) -> dict[str, Field | str]:
    """Find the theoretical receptive field of every layer; see `followed`."""
    return {name: found.field for name, found in followed(module, input_size, channels).items()}


def followed(module: nn.Module, input_size: tuple[int, int], channels: int = 3) -> dict[str, Followed]:
    """Find the theoretical receptive field of every layer, and which axes of its output are rows and columns.

    Parameters
    ----------
    module : nn.Module
        The network, in evaluation mode.
    input_size : tuple of int
        (height, width) of its input, pixels.
    channels : int
        Of its input.

    Returns
    -------
    dict of Followed
        Name of the layer, as `pipeline.models.taps.list_layers` gives it, -> its field, or why it has none: ``global``
        where every value depends on the whole input.
    """
    here = next(module.parameters(), torch.empty(0)).device
    calls: list[tuple[str, Followed | None]] = []
    for device in (torch.device("meta"), here):
        try:
            calls = _calls(module, (channels, *input_size), device)
            break
        except Exception:
            continue
    names = call_names([name for name, _ in calls], [field is not None for _, field in calls])
    return {name: field for name, (_, field) in zip(names, calls, strict=True) if field is not None}


def _calls(module: nn.Module, shape: tuple[int, int, int], device: torch.device) -> list[tuple[str, Followed | None]]:
    """Return the modules that were called and what is known of what they gave; None where that is no map."""
    calls: list[tuple[str, Followed | None]] = []
    like = next(module.parameters(), torch.empty(0))
    image = torch.zeros((1, *shape), dtype=like.dtype, device=device)
    follower = _Follower(image)

    def note(name: str) -> Any:
        def hook(part: nn.Module, arguments: Any, output: Any) -> None:
            is_map = isinstance(output, Tensor) and output.ndim == 4
            calls.append((name, follower.found(output) if is_map else None))

        return hook

    with ExitStack() as stack:
        for name, part in module.named_modules():
            if name:
                stack.callback(part.register_forward_hook(note(name)).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(follower)
        module(image)
    return calls


class _Follower(TorchDispatchMode):
    """Keeps the positions of every tensor that depends on the input.

    On the meta device other tensors, such as weights, are replaced by tensors without values.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._states: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._meta = image.is_meta
        rows, columns = (Span.of_input(extent) for extent in image.shape[2:])
        self._states[image] = Positions((2, 3), (rows, columns))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        arguments = _bound(func, args, kwargs)
        if self._meta and any(tensor.is_meta for tensor in tensors_in(arguments.values())):
            args, kwargs = tree_map_only(Tensor, _without_values, (args, kwargs))
        outputs = func(*args, **kwargs)
        self._note(func, arguments, outputs)
        return outputs

    def _note(self, func: Any, arguments: dict[str, Any], outputs: Any) -> None:
        states = [self._states.get(tensor) for tensor in tensors_in(arguments.values())]
        if all(state is None for state in states):
            return
        results = list(tensors_in([outputs]))
        if not results:
            return
        state = self._outcome(func, arguments, states, results[0])
        for name in _written(func):
            if isinstance(arguments.get(name), Tensor):
                self._write(arguments[name], state)
        for result in results:
            self._set(result, state)

    def _outcome(
        self, func: Any, arguments: dict[str, Any], states: Iterable[_State | None], result: Tensor
    ) -> _State | None:
        reason = next((state for state in states if isinstance(state, str)), None)
        if reason is not None:
            return reason
        name = func._schema.name.partition("::")[2]
        try:
            return follow(Call(name, arguments, result.shape, self._states.get), pointwise=is_pointwise(func))
        except NoFieldError as error:
            return str(error)

    def _write(self, tensor: Tensor, state: _State | None) -> None:
        """Note a write in place; where it changes what a part of another tensor sees, that one is given up."""
        if tensor._base is not None and self._states.get(tensor) != state:
            self._states[tensor._base] = "a part of the map is overwritten"
        self._set(tensor, state)

    def _set(self, tensor: Tensor, state: _State | None) -> None:
        if state is not None:
            self._states[tensor] = state
        else:
            self._states.pop(tensor, None)

    def found(self, output: Tensor) -> Followed:
        """Return what is known of a map, a tensor of four dimensions."""
        state = self._states.get(output)
        if state is None:
            return Followed("it does not depend on the input")
        if isinstance(state, str):
            return Followed(state)
        (rows, columns), (row, column) = state.spans, state.dims
        if rows is None or columns is None:
            return Followed("global")
        if not row or not column or row == column:
            return Followed("its rows and columns are not two of its dimensions")
        return Followed(_field(rows, columns, state.through_global), layout_of(row, column))


def _field(rows: Span, columns: Span, through_global: bool) -> Field:
    spans = (rows, columns)
    height, width = (ceil(span.last - span.first) + 1 for span in spans)
    y, x = ((span.first + span.last) / 2 for span in spans)
    down, across = ((max(ceil(span.low), 0), int(span.high)) for span in spans)
    return Field((height, width), (float(rows.stride), float(columns.stride)), (y, x), (down, across), through_global)


def _without_values(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.to("meta")


def _bound(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of an operation by name, defaults filled in."""
    stated = func._schema.arguments
    named = {argument.name: argument.default_value for argument in stated if argument.has_default_value()}
    positional = [argument.name for argument in stated if not argument.kwarg_only]
    return named | dict(zip(positional, args, strict=False)) | kwargs


def _written(func: Any) -> list[str]:
    arguments = func._schema.arguments
    return [argument.name for argument in arguments if argument.alias_info is not None and argument.alias_info.is_write]
