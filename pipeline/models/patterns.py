"""What the linear neurons of a network detect: their patterns, fitted in one pass over images, and ways back along these.

Every convolution and linear layer that a forward pass calls is met at the function that computes it, with the weights that
it uses there. A batch norm right behind one scales the neuron and is part of it. Of a neuron that a rectifier reads, and
nothing else, the inputs count that it lets through; of any other, such as one that is added to a shortcut, all.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from filterscope.operators.attribution.patterns import PatternSums, signal_patterns
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.outputs import call_names
from filterscope.pipeline.models.rectifiers import (
    convolutions_behind,
    is_rectified,
    readers_behind,
    rectifiers_behind,
)
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.tensors import padded_batches, prepare

#: What goes back: the signal a, or the attribution w o a.
Way = Literal["signal", "attribution"]

_LINEAR = (torch.conv2d, F.linear)
_REFUSED = {
    torch.conv1d: "conv1d",
    torch.conv3d: "conv3d",
    torch.conv_transpose1d: "conv_transpose1d",
    torch.conv_transpose2d: "conv_transpose2d",
    torch.conv_transpose3d: "conv_transpose3d",
    torch.bilinear: "bilinear",
    torch.batch_norm: "torch.batch_norm",
    F.layer_norm: "layer_norm",
    F.group_norm: "group_norm",
    F.instance_norm: "instance_norm",
    F.multi_head_attention_forward: "multi_head_attention",
    F.scaled_dot_product_attention: "scaled_dot_product_attention",
}
_OTHERS = "take another method for this network"
_ARGUMENTS = ("input", "weight", "bias")
_NORM_ARGUMENTS = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
_DEFAULTS = {"weight": None, "bias": None, "training": False, "eps": 1e-5}

_PATTERN, _SCALE, _COUNT = "pattern", "scale", "count"


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns of every call of a convolution or linear layer, in order of calls.

    Attributes
    ----------
    pattern : dict of str to float32 ndarray of the weight's shape
        Pattern a of each neuron, of its output behind the batch norm if there is one; zeros where it has none. Names are
        those of modules, ``name#k`` where one is called more than once.
    scale : dict of str to float32 ndarray of shape (O,)
        What a batch norm behind it multiplies the weights of a neuron by; ones where there is none.
    count : dict of str to int64 ndarray of shape (O,)
        Inputs that counted, places of all images: those on which a neuron was positive, all where nothing rectifies it.
    """

    pattern: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    count: Mapping[str, np.ndarray]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all as one mapping of arrays, as ``np.savez`` takes it."""
        parts = {_PATTERN: self.pattern, _SCALE: self.scale, _COUNT: self.count}
        return {f"{name}/{part}": value for part, values in parts.items() for name, value in values.items()}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the patterns that `arrays` returned."""
        parts: dict[str, dict[str, np.ndarray]] = {_PATTERN: {}, _SCALE: {}, _COUNT: {}}
        for key in arrays:
            name, _, part = key.rpartition("/")
            parts[part][name] = arrays[key]
        return cls(**parts)


class _Linear(TorchFunctionMode):
    """Meets the linear layers and batch norms of forward passes, numbered in order of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.number = -1

    def begin(self, *_: Any) -> None:
        """Count from 0: a pass begins."""
        self.number = -1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _LINEAR:
            self.number += 1
            named = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
            x, weight, bias = named.pop("input"), named.pop("weight"), named.pop("bias", None)
            rest = {name: value for name, value in named.items() if name not in _ARGUMENTS}
            return self.linear(lambda x, w, b: func(x, w, b, *args[3:], **rest), x, weight, bias)
        if func is F.batch_norm:
            return self.norm(_DEFAULTS | dict(zip(_NORM_ARGUMENTS, args, strict=False)) | kwargs, func(*args, **kwargs))
        if func in _REFUSED:
            raise InputError(f"the network calls {_REFUSED[func]}, which has no patterns; {_OTHERS}")
        return func(*args, **kwargs)

    def linear(self, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the output of a layer, of which `call` is given input, weight and bias."""
        raise NotImplementedError

    def norm(self, given: Mapping[str, Any], output: Tensor) -> Tensor:
        """Return the output of a batch norm with the arguments given, which computed `output`."""
        raise NotImplementedError


class _Survey(_Linear):
    """Notes what weights layers are called with, and which have a batch norm behind them."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self._images = images
        self.weights: list[Tensor] = []
        self.normed: set[int] = set()
        self.nodes: dict[int, Node | None] = {}  # what computed the output of each, behind its batch norm
        self.inside: list[Node | None] = []  # and before it, of those that have one
        self._outputs: dict[int, tuple[int, Tensor]] = {}  # holds the tensors, so that no id is used twice

    def linear(self, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = call(x, weight, bias)
        if len(x) != self._images:
            raise InputError(
                f"layer {self.number} of the forward pass sees {len(x)} inputs of {self._images} images, which patterns "
                f"cannot tell apart; {_OTHERS}"
            )
        self.weights.append(weight)
        self.nodes[self.number] = output.grad_fn  # now: what works in place behind it takes its place
        self._outputs[id(output)] = self.number, output
        return output

    def norm(self, given: Mapping[str, Any], output: Tensor) -> Tensor:
        number, _ = self._outputs.pop(id(given["input"]), (None, None))
        if number is None or given["training"]:
            raise InputError(
                f"a batch norm of {given['input'].shape[1]} channels does not follow a convolution or linear layer, so "
                f"that it cannot be made part of one, and patterns need that; {_OTHERS}"
            )
        self.normed.add(number)
        self.inside.append(self.nodes[number])
        self.nodes[number] = output.grad_fn
        return output


@dataclass(frozen=True)
class LinearLayers:
    """The convolutions and linear layers that a pass calls, in order.

    Attributes
    ----------
    names : tuple of str
        Their names.
    normed, rectified : frozenset of int
        Numbers of those with a batch norm right behind, and of those that, with it, rectifiers alone read.
    """

    names: tuple[str, ...]
    normed: frozenset[int]
    rectified: frozenset[int]


def linear_layers(module: nn.Module, batch: Tensor) -> LinearLayers:
    """Return the layers that have patterns.

    Parameters
    ----------
    module : nn.Module
        The network.
    batch : Tensor of shape (N, C, H, W)
        Normalised images; what they show does not matter.

    Raises
    ------
    InputError
        If the network has what patterns are not defined for.
    """
    survey = _Survey(len(batch))
    with torch.enable_grad(), survey:
        scores = scores_of(module(batch.detach().clone().requires_grad_()))
    rectifiers_behind(scores, otherwise=_OTHERS)
    met, there = sum(weight.ndim == 4 for weight in survey.weights), convolutions_behind(scores)
    if met < there or not survey.weights:
        raise InputError(
            f"patterns replace weights where the network calls conv2d and linear; {met} convolutions of {there} and "
            f"{len(survey.weights) - met} linear layers were met; give the network without compiled parts, or {_OTHERS}"
        )
    readers = readers_behind(scores)
    if any(len(readers.get(node, ())) > 1 for node in survey.inside if node is not None):
        raise InputError(
            f"a layer with a batch norm behind it is read by more than that, so it has two patterns; {_OTHERS}"
        )
    owners = {id(value): name.rpartition(".")[0] for name, value in module.named_parameters()}
    names = [owners.get(id(weight), "weights of its own") for weight in survey.weights]
    rectified = {number for number, node in survey.nodes.items() if node is not None and is_rectified(node, readers)}
    return LinearLayers(tuple(call_names(names, [True] * len(names))), frozenset(survey.normed), frozenset(rectified))


class _Gather(_Linear):
    """Adds what patterns are made of, one image after the other, in double precision."""

    def __init__(self, layers: LinearLayers) -> None:
        super().__init__()
        self.images = 0
        self.sums: dict[int, tuple[Tensor, ...]] = {}
        self.folded: dict[int, tuple[Tensor, Tensor]] = {}  # weights with the batch norm behind them, and its scale
        self.layers, self._waiting = layers, dict[int, tuple[Any, ...]]()

    def linear(self, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = call(x, weight, bias)
        waiting = self.number, call, x, weight, output
        if self.number in self.layers.normed:
            self._waiting[id(output)] = waiting
        else:
            self._add(*waiting, torch.ones(len(weight), dtype=torch.float64, device=weight.device))
        return output

    def norm(self, given: Mapping[str, Any], output: Tensor) -> Tensor:
        number, call, x, weight, _ = self._waiting.pop(id(given["input"]))
        gain = torch.ones_like(given["running_var"]) if given["weight"] is None else given["weight"]
        scale = gain.double() / (given["running_var"].double() + given["eps"]).sqrt()
        self._add(number, call, x, weight, output, scale)
        return output

    @torch.enable_grad()
    def _add(
        self, number: int, call: Callable[..., Tensor], x: Tensor, weight: Tensor, output: Tensor, scale: Tensor
    ) -> None:
        one = weight.detach().double().requires_grad_()
        if number not in self.sums:
            self.folded[number] = one.detach() * scale.view(-1, *[1] * (weight.ndim - 1)), scale
            empty = torch.zeros_like(scale)
            self.sums[number] = empty, empty.clone(), torch.zeros_like(one), torch.zeros_like(one)
        count, total, inputs, products = self.sums[number]
        over = [axis for axis in range(output.ndim) if axis != (1 if weight.ndim == 4 else output.ndim - 1)]
        channels = [-1 if axis not in over else 1 for axis in range(output.ndim)]
        for image in range(self.images):
            # The gradient of sum(w^T x * g) by w is sum(g x): of the inputs that count, and weighted by y. Constants of y,
            # such as a bias, say where it is positive, and drop out of the covariance.
            dual = call(x[image : image + 1].detach().double(), one, None)
            own = output[image : image + 1].detach()
            on = (own > 0 if number in self.layers.rectified else torch.ones_like(own)).double()
            y = on * dual.detach() * scale.view(channels)
            inputs += torch.autograd.grad(dual, one, on, retain_graph=True)[0]
            products += torch.autograd.grad(dual, one, y)[0]
            count += on.sum(over)
            total += y.sum(over)


class _Back(_Linear):
    """Puts patterns in place of the weights of every layer on the way back; forward, all stays as it is."""

    def __init__(self, patterns: Patterns, way: Way) -> None:
        super().__init__()
        self._way, self._names = way, list(patterns.pattern)
        self._signal = [torch.from_numpy(patterns.pattern[name]) for name in self._names]
        self._scale = [torch.from_numpy(patterns.scale[name]) for name in self._names]

    def linear(self, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return call(x, weight, bias)
        if self.number >= len(self._signal) or self._signal[self.number].shape != weight.shape:
            raise InputError(
                f"layer {self.number} of the forward pass has weights {tuple(weight.shape)}, and the patterns are of "
                "another network; fit them on this one"
            )
        with torch.no_grad():
            output = call(x, weight, bias)
        return _instead(call(x, self._weights(weight), None), output)

    def _weights(self, weight: Tensor) -> Tensor:
        signal = self._signal[self.number] = self._signal[self.number].to(weight)
        if self._way == "signal":
            return signal
        return weight * signal * self._scale[self.number].to(weight).view(-1, *[1] * (weight.ndim - 1))

    def norm(self, given: Mapping[str, Any], output: Tensor) -> Tensor:
        # Its scale is in the patterns of the layer before it.
        return _instead(given["input"].clone(), output) if given["input"].requires_grad else output


@torch.no_grad()
def _instead(path: Tensor, values: Tensor) -> Tensor:
    """Return what has the values of one tensor and goes back as another does, which no way back reads."""
    return path.copy_(values)


def fit_patterns(network: Network, blocks: Iterable[np.ndarray]) -> Patterns:
    """Fit the patterns of a network in one pass over images.

    Parameters
    ----------
    network : Network
        The network; of ReLU, every batch norm right behind a convolution or linear layer.
    blocks : iterable of uint8 ndarray of shape (n, height, width, 3)
        Decoded images. Sums are in their order: where they are cut into blocks changes no bit.

    Returns
    -------
    Patterns
        As much memory as eight times the weights in float32 is held meanwhile.

    Raises
    ------
    InputError
        If the network has what patterns are not defined for, or there is no image.

    References
    ----------
    Kindermans et al. 2018, PatternNet and PatternAttribution.
    """
    gather: _Gather | None = None
    for batch, count in _batches(network, blocks):
        gather = gather or _Gather(linear_layers(network.taps.module, batch))
        gather.images = count
        with torch.no_grad(), gather, _told(network.taps.module, gather):
            network.taps.module(batch)
    if gather is None:
        raise InputError("patterns are fitted on images, and there are none; give the images of the data set")
    found = {name: _pattern(gather, number) for number, name in enumerate(gather.layers.names)}
    pattern, scale, count_of = ({name: part[which] for name, part in found.items()} for which in range(3))
    return Patterns(pattern, scale, count_of)


def _batches(network: Network, blocks: Iterable[np.ndarray]) -> Iterator[tuple[Tensor, int]]:
    for block in blocks:
        for rows, padded in padded_batches(block, network.batch_size):
            yield prepare(padded, network.mean, network.std, network.device), rows.stop - rows.start


def _pattern(gather: _Gather, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weight, scale = gather.folded[number]
    count, y, x, xy = (part.cpu().numpy() for part in gather.sums[number])
    flat = (len(weight), math.prod(weight.shape[1:]))
    sums = PatternSums(count, y, x.reshape(flat), xy.reshape(flat))
    found = signal_patterns(weight.cpu().numpy().reshape(flat), sums).reshape(weight.shape)
    return found.astype(np.float32), scale.cpu().numpy().astype(np.float32), count.astype(np.int64)


@contextmanager
def patterns_back(network: Network, patterns: Patterns, way: Way) -> Iterator[None]:
    """Let gradients of a network go back along patterns while the context is open; its outputs stay as they are.

    Parameters
    ----------
    network : Network
        The network that the patterns were fitted on.
    patterns : Patterns
        Patterns of every layer.
    way : str
        signal: a in place of the weights w, PatternNet; attribution: w o a, PatternAttribution.

    Raises
    ------
    InputError
        In a pass, if the patterns are of another network.
    """
    back = _Back(patterns, way)
    with back, _told(network.taps.module, back):
        yield


@contextmanager
def _told(module: nn.Module, mode: _Linear) -> Iterator[None]:
    """Tell a mode when a pass of a network begins."""
    handle = module.register_forward_pre_hook(mode.begin)
    try:
        yield
    finally:
        handle.remove()


__all__ = ["LinearLayers", "Patterns", "Way", "fit_patterns", "linear_layers", "patterns_back"]
