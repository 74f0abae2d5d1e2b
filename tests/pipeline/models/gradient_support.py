"""What a map position really sees, by the support of its gradient: the slow twin of the receptive fields.

A network is made monotone, so that nothing cancels: positive weights, increasing activations, no normalisation, average
in place of maximum. Paths through global pooling, which the fields leave out, are cut.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from filterscope.pipeline.models.field import Box

_ACTIVATIONS = {
    *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "silu", "gelu", "elu", "mish", "hardswish", "hardsigmoid"),
    *("hardtanh", "sigmoid", "sigmoid_", "softplus", "tanh"),
}
_NORMALISATIONS = {"batch_norm", "layer_norm", "group_norm", "dropout"}
_POOLING = {"mean", "adaptive_avg_pool2d", "adaptive_max_pool2d"}


class _Monotone(TorchFunctionMode):
    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _ACTIVATIONS:
            return _one(args[0])
        if name in _NORMALISATIONS:
            return args[0] if args else kwargs["input"]
        if "max_pool2d" in name and not name.startswith("adaptive"):
            return _average(*args, **kwargs)
        output = func(*args, **kwargs)
        pooled = name in _POOLING and output.numel() <= output.shape[0] * output.shape[1]
        summed = name in ("matmul", "__matmul__") and output.shape[-1] == 1
        return output.detach() if pooled or summed or name == "softmax" else output


def _one(x: Tensor) -> Tensor:
    """Return 1 with a positive gradient, so that products of gates neither vanish nor overflow."""
    return torch.where(x > 0, x / x.detach(), x)


def _average(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    assert dilation in (1, (1, 1))
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)


def supports(
    module: nn.Module,
    input_size: tuple[int, int],
    asked: Sequence[tuple[str, int, int]],
    channels_last: Collection[str] = (),
) -> dict[tuple[str, int, int], Box | None]:
    """Return first and last row, first and last column with a gradient, for layers (``name#k``) and positions."""
    module = _positive(module).double()
    outputs: dict[str, Tensor] = {}
    wanted = {name for name, _, _ in asked}

    def keep(name: str) -> Callable[..., None]:
        calls = iter(range(1000))

        def hook(part: nn.Module, arguments: Any, output: Tensor) -> None:
            call = f"{name}#{next(calls)}"
            outputs.update({key: output for key in (name, call) if key in wanted})

        return hook

    parts = {name.partition("#")[0] for name in wanted}
    handles = [module.get_submodule(name).register_forward_hook(keep(name)) for name in parts]
    image = torch.ones((1, 3, *input_size), dtype=torch.float64, requires_grad=True)
    with _Monotone(), torch.enable_grad():
        module(image)
    for handle in handles:
        handle.remove()
    outputs |= {name: outputs[name].movedim(-1, 1) for name in outputs.keys() & set(channels_last)}
    return {key: _support(outputs[key[0]][0, :, key[1], key[2]], image) for key in asked}


def _positive(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        values = torch.rand(parameter.shape, generator=generator) + 0.5
        parameter.data = values / values[0].numel() if parameter.ndim > 1 else torch.ones_like(values)
    return module.eval().requires_grad_(False)


def _support(values: Tensor, image: Tensor) -> Box | None:
    (gradient,) = torch.autograd.grad(values.sum(), image, retain_graph=True)
    touched = gradient[0].abs().sum(0) > 0
    if not touched.any():
        return None
    rows, columns = (torch.nonzero(touched.any(axis)).flatten() for axis in (1, 0))
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))
