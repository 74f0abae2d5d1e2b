"""What each operation of a network does to the positions of its operands."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from filterscope.pipeline.models.geometry.positions import GLOBAL, Positions, Shape, merged, reshaped
from filterscope.pipeline.models.geometry.span import NoFieldError, Span


@dataclass(frozen=True)
class Call:
    """One operation of which an operand is followed.

    Attributes
    ----------
    name : str
        As ATen calls it, without namespace.
    arguments : dict
        Name -> value, defaults filled in.
    output : sequence of int
        Shape of its first output.
    known : callable
        Tensor -> positions, None where it does not depend on the input.
    """

    name: str
    arguments: dict[str, Any]
    output: Shape
    known: Callable[[Tensor], Positions | None]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def positions(self, name: str) -> Positions | None:
        """Return the positions of one operand."""
        value = self.arguments.get(name)
        return self.known(value) if isinstance(value, Tensor) else None

    def operands(self) -> Iterator[tuple[Positions, Shape]]:
        """Yield positions and shapes of the operands that are followed."""
        for tensor in tensors_in(self.arguments.values()):
            positions = self.known(tensor)
            if positions is not None:
                yield positions, tensor.shape


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors among values and in lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)


Rule = Callable[[Call], Positions | None]
_RULES: dict[str, Rule] = {}


_R = TypeVar("_R", bound=Rule)


def rule(*names: str) -> Callable[[_R], _R]:
    """Register the rule of some operations; a name twice is an error."""

    def register(function: _R) -> _R:
        for name in names:
            if name in _RULES:
                raise ValueError(f"{name} has a rule")
            _RULES[name] = function
        return function

    return register


def follow(call: Call, *, pointwise: bool) -> Positions | None:
    """Return the positions of the outputs of an operation; None if they do not depend on the input.

    Raises
    ------
    NoFieldError
        If the outputs do not see equal windows at equal distances.
    """
    found = _RULES.get(call.name)
    if found is not None:
        return found(call)
    if pointwise:
        return _elementwise(call)
    raise NoFieldError(f"{call.name} is not followed")


@rule(
    *("clone", "_to_copy", "detach", "alias", "lift_fresh", "native_dropout"),
    *(
        "hardswish",
        "hardswish_",
        "hardsigmoid",
        "hardsigmoid_",
        "hardtanh",
        "hardtanh_",
        "elu",
        "elu_",
        "mish",
        "mish_",
    ),
    *("leaky_relu", "leaky_relu_", "_prelu_kernel", "softplus", "celu", "celu_", "channel_shuffle"),
    *("native_channel_shuffle", "masked_fill", "masked_fill_", "where", "nan_to_num", "clamp", "clamp_"),
)
def _elementwise(call: Call) -> Positions:
    return merged(call.operands(), call.output)


@rule(
    *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones"),
    *("new_full", "new_empty", "new_empty_strided", "fill", "fill_", "zero_", "bernoulli_"),
)
def _constant(call: Call) -> None:
    return None


@rule("copy_", "copy")
def _copy(call: Call) -> Positions | None:
    source = call.positions("src")
    return None if source is None else merged([(source, call["src"].shape)], call.output)


# Windows.


@rule("convolution", "_convolution")
def _convolution(call: Call) -> Positions:
    positions, weight = call.positions("input"), call.positions("weight")
    if positions is None or (weight is not None and weight.dims != (None, None)):
        raise NoFieldError("the weights of a convolution depend on the position")
    if call["transposed"] and positions.dims != (None, None):
        raise NoFieldError("a transposed convolution has no constant field")
    kernel = call["weight"].shape[2:]
    slid = _slid(call, positions, len(call["input"].shape), kernel, call["stride"], call["padding"], call["dilation"])
    return slid.globally(weight is not None)


@rule("max_pool2d_with_indices", "max_pool2d", "avg_pool2d")
def _pool(call: Call) -> Positions:
    positions = _self(call)
    kernel = call["kernel_size"]
    dilation = call.arguments.get("dilation", [1])
    return _slid(call, positions, len(call["self"].shape), kernel, call["stride"] or kernel, call["padding"], dilation)


def _slid(
    call: Call,
    positions: Positions,
    ndim: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Positions:
    """Slide windows over the last dimensions."""
    spatial = ndim - 2
    windows = [_spread(values, spatial) for values in (kernel, stride, padding, dilation)]

    def change(dim: int, span: Span) -> Span | None:
        if dim == 0:
            return span
        if dim == 1:
            return None  # summed over, as channels are
        size, step, pad, gap = (values[dim - 2] for values in windows)
        if not positions.flat:
            return span.window(call.output[dim], kernel=size, step=step, pad=pad, dilation=gap)
        if (size, step, pad) != (1, 1, 0):
            raise NoFieldError("a window slides over flattened rows")
        return span

    return positions.changed(change)


def _spread(values: Sequence[int], count: int) -> list[int]:
    return list(values) * count if len(values) == 1 else list(values)


@rule("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive_pool(call: Call) -> Positions:
    def change(dim: int, span: Span) -> Span | None:
        count = call.output[dim]
        if count == 1:
            return None
        if span.count % count:
            raise NoFieldError(f"adaptive pooling of {span.count} to {count} positions has no constant stride")
        step = span.count // count
        return span.window(count, kernel=step, step=step)

    return _spatial(_self(call)).changed(change)


@rule("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "reflection_pad1d", "replication_pad1d")
def _pad(call: Call) -> Positions:
    padding = call["pad" if "pad" in call.arguments else "padding"]
    ndim = len(call.output)
    before = {ndim - 1 - number: padding[2 * number] for number in range(len(padding) // 2)}
    after = {ndim - 1 - number: padding[2 * number + 1] for number in range(len(padding) // 2)}
    positions = _self(call)

    def change(dim: int, span: Span) -> Span:
        if before.get(dim, 0) == after.get(dim, 0) == 0:
            return span
        if positions.flat:
            raise NoFieldError("flattened rows are padded")
        return span.window(call.output[dim], pad=before[dim])

    return positions.changed(change)


@rule("slice")
def _slice(call: Call) -> Positions:
    positions, ndim = _self(call), len(call.output)
    sliced = call["dim"] % ndim
    start, _, step = slice(call["start"], call["end"], call["step"]).indices(call["self"].shape[sliced])

    def change(dim: int, span: Span) -> Span:
        if dim != sliced or (start, step, call.output[dim]) == (0, 1, call["self"].shape[dim]):
            return span
        if positions.flat:
            raise NoFieldError("flattened rows are sliced")
        return span.window(call.output[dim], step=step, pad=-start)

    return positions.changed(change)


@rule("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d")
def _upsample(call: Call) -> Positions:
    def change(dim: int, span: Span) -> Span | None:
        count = call.output[dim]
        if count == span.count:
            return span
        if span.count == 1:
            return None  # the same everywhere
        factor, rest = divmod(count, span.count)
        if rest or call.arguments.get("align_corners"):
            raise NoFieldError(f"interpolation of {span.count} to {count} positions has no constant stride")
        if call.name != "upsample_bilinear2d":
            return span.upsampled(count, (factor - 1) / (2 * factor))
        return span.upsampled(count, 1 - 1 / factor if factor % 2 else 1 - 1 / (2 * factor))

    return _spatial(_self(call)).changed(change)


@rule("pixel_shuffle")
def _pixel_shuffle(call: Call) -> Positions:
    factor = call["upscale_factor"]
    spread = (factor - 1) / (2 * factor)
    return _spatial(_self(call)).changed(lambda dim, span: span.upsampled(call.output[dim], spread))


@rule("pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> Positions:
    factor = call["downscale_factor"]
    return _spatial(_self(call)).changed(lambda dim, span: span.window(call.output[dim], kernel=factor, step=factor))


# Values mixed along dimensions.


@rule(
    *("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "linalg_vector_norm", "norm"),
    *("logsumexp", "prod", "argmax", "argmin", "any", "all", "median", "cumsum"),
)
def _reduction(call: Call) -> Positions:
    if "other" in call.arguments:
        return _elementwise(call)
    positions, ndim = _self(call), len(call["self"].shape)
    stated = call.arguments.get("dim")
    dims = [stated] if isinstance(stated, int) else stated or range(ndim)
    gone = {dim % ndim for dim in dims}
    kept = len(call.output) == ndim
    return positions.moved(lambda dim: None if dim in gone else dim if kept else dim - sum(d < dim for d in gone))


@rule("_softmax", "_log_softmax", "_safe_softmax")
def _softmax(call: Call) -> Positions:
    positions = _self(call)
    return positions.globally(call["dim"] % len(call.output) in positions.dims)


@rule("native_layer_norm")
def _layer_norm(call: Call) -> Positions:
    positions, ndim = call.positions("input") or GLOBAL, len(call.output)
    normalised = range(ndim - len(call["normalized_shape"]), ndim)
    return positions.globally(any(dim in normalised for dim in positions.dims))


@rule("native_group_norm")
def _group_norm(call: Call) -> Positions:
    return (call.positions("input") or GLOBAL).globally()


@rule(
    *("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
    *("_batch_norm_no_update", "_batch_norm_with_update", "batch_norm"),
)
def _batch_norm(call: Call) -> Positions:
    operand = call.positions("input") or GLOBAL
    of_image = call.arguments.get("training", "no_training" not in call.name and "no_update" not in call.name)
    return operand.globally(of_image)


@rule("mm", "bmm", "addmm", "baddbmm")
def _product(call: Call) -> Positions:
    first, second = ("mat1", "mat2") if "mat1" in call.arguments else ("batch1", "batch2")
    if "self" in call.arguments and first not in call.arguments:
        first, second = "self", "mat2"
    ndim = len(call.output)
    left, right = call.positions(first), call.positions(second)
    placed = []
    if left is not None:
        placed.append(left.moved(lambda dim: None if dim == ndim - 1 else dim))
    if right is not None:
        placed.append(right.moved(lambda dim: None if dim == ndim - 2 else dim))
    if len(placed) == 2 and placed[0].dims != placed[1].dims and (None, None) not in (p.dims for p in placed):
        return placed[0].globally()  # every position of the left with every one of the right, as in attention
    if not placed:  # only the addend of addmm
        return _elementwise(call)
    return merged(((positions, call.output) for positions in placed), call.output)


@rule(
    "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math", "scaled_dot_product_attention"
)
def _attention(call: Call) -> Positions:
    return (call.positions("query") or GLOBAL).globally()


# Dimensions moved about.


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze")
def _reshape(call: Call) -> Positions:
    return reshaped(_self(call), call["self"].shape, call.output)


@rule("as_strided", "as_strided_")
def _as_strided(call: Call) -> Positions:
    positions = _self(call)
    if positions.dims != (None, None):
        raise NoFieldError("positions are addressed by strides of memory")
    return positions


@rule("permute")
def _permute(call: Call) -> Positions:
    order = [dim % len(call.output) for dim in call["dims"]]
    return _self(call).moved(order.index)


@rule("transpose", "t", "transpose_")
def _transpose(call: Call) -> Positions:
    ndim = len(call.output)
    one, other = call.arguments.get("dim0", 0) % ndim, call.arguments.get("dim1", 1) % ndim
    return _self(call).moved(lambda dim: other if dim == one else one if dim == other else dim)


@rule("expand", "expand_as", "repeat")
def _expand(call: Call) -> Positions:
    positions, old = _self(call), call["self"].shape
    if call.name == "repeat" and any(d is not None and call["repeats"][d - len(old)] > 1 for d in positions.dims):
        raise NoFieldError("positions are repeated")
    return merged([(positions, old)], call.output)


@rule("cat")
def _cat(call: Call) -> Positions:
    operands = [operand for operand in call.operands() if len(operand[1]) == len(call.output)]
    _refuse_along(call, call["dim"] % len(call.output), [positions for positions, _ in operands])
    return merged(operands, call.output)


@rule("stack")
def _stack(call: Call) -> Positions:
    new = call["dim"] % len(call.output)
    shape = [*call.output[:new], *call.output[new + 1 :]]
    return merged(call.operands(), shape).moved(lambda dim: dim + (dim >= new))


@rule("split", "split_with_sizes", "chunk", "narrow", "glu")
def _split(call: Call) -> Positions:
    positions = _self(call)
    _refuse_along(call, call["dim"] % len(call.output), [positions])
    return positions


@rule("select", "unbind")
def _select(call: Call) -> Positions:
    positions = _self(call)
    gone = call["dim"] % len(call["self"].shape)
    _refuse_along(call, gone, [positions])
    return positions.moved(lambda dim: dim - (dim > gone))


def _refuse_along(call: Call, dim: int, operands: Sequence[Positions]) -> None:
    if any(dim in positions.dims for positions in operands):
        raise NoFieldError(f"{call.name} along the positions")


def _self(call: Call) -> Positions:
    return call.positions("self") or GLOBAL


def _spatial(positions: Positions) -> Positions:
    if positions.flat:
        raise NoFieldError("flattened rows are resized")
    return positions


def is_pointwise(operation: torch._ops.OpOverload) -> bool:
    """Tell whether an operation computes every value from the values at the same place."""
    return torch.Tag.pointwise in operation.tags
