"""What is proven of a network before it is put to work, in a few forward passes on seeded images.

`survey` finds which axes of every output are rows, columns and units, by following operations (`pipeline.models.geometry`)
or, where that fails, by changing a quarter of an image at a time and looking where the output changes. `prove` shows that
a layer is a function of one image: the first axis is the batch, an image gives the same alone and in company, and two
passes agree. What it gives for the images is kept as a few numbers, by which another forward pass is noticed later.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.operators.images.axes import axes_of, quartered
from filterscope.operators.numerics.sketch import alike, sketch
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.coder import Adapter
from filterscope.pipeline.models.geometry import Followed, followed
from filterscope.pipeline.models.layer import NCHW, SEQUENCE, Layer, layout_of
from filterscope.pipeline.models.model import Model, batch_norms, reestimate_batch_norm
from filterscope.pipeline.models.outputs import TOKENS, as_maps, token_grid
from filterscope.pipeline.models.taps import LAST, Hook, Taps, is_map, list_all_layers, resolve_layers, run_hooked
from filterscope.pipeline.models.tensors import channels_last, normalisation, prepare
from filterscope.pipeline.models.types import dtype_of

#: Largest difference that is float noise, as a share of the values: of another batch shape or machine, and of one pass.
_NOISE = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 6e-2}
_NOT_FOUND = "cannot be placed on the image: no two of its axes follow the image's rows and columns"


@dataclass(frozen=True)
class Survey:
    """What can be tapped, in the order in which calls end.

    Attributes
    ----------
    maps, flat : list of Layer
        Maps, and what must be named exactly: tokens and one value a unit.
    unproven : dict of str to Layer
        Outputs that are not taken as maps, for nothing says which of their axes are rows and columns.
    last : Layer, optional
        The last block of a network that ends in tokens.
    """

    maps: list[Layer]
    flat: list[Layer]
    unproven: dict[str, Layer]
    last: Layer | None = None


def survey(model: Model, patterns: Sequence[str] = ("*",)) -> Survey:
    """List the layers of an opened network, with the axes of their outputs and their receptive fields.

    Parameters
    ----------
    model : Model
        The network.
    patterns : sequence of str
        What is asked for, as `taps.resolve_layers` takes it. Tokens that are not are listed, and not looked at.

    Raises
    ------
    InputError
        If the network cannot take images, or gives nothing that can be tapped.
    """
    size, channels = model.transform.input_size, model.transform.channels
    layers = list_all_layers(model.module, size, what=model.name, channels=channels)
    known = followed(model.module, size, channels)
    layers = [_located(layer, known.get(layer.name)) for layer in layers]
    in_doubt = [layer for layer in layers if not layer.layout or _asked_tokens(layer, patterns, model.module)]
    found = _moved(model, in_doubt) if in_doubt else {}
    unproven = {layer.name: layer for layer in in_doubt if found[layer.name] is None}
    proven = [_arranged(layer, found.get(layer.name)) for layer in layers if layer.name not in unproven]
    maps, flat = [layer for layer in proven if is_map(layer)], [layer for layer in proven if not is_map(layer)]
    if not maps and unproven:
        prove(model, list(unproven.values())[-1:])
        raise InputError(f"{model.name} has no layer to tap: {list(unproven)[-1]!r} {_NOT_FOUND}")
    if not maps and not flat:
        raise InputError(f"{model.name} has no layer to tap: no module gives an output (N, C, H, W)")
    return Survey(maps, flat, unproven, _last_block(proven, model.module))


def chosen(model: Model, patterns: Sequence[str]) -> list[Layer]:
    """Return the layers that a user means by `patterns`; see `taps.resolve_layers`.

    Raises
    ------
    InputError
        If a pattern means no layer, or names one whose output is not proven to be maps.
    """
    found = survey(model, patterns)
    for name in patterns:
        if name in found.unproven:
            prove(model, [found.unproven[name]])  # says why, where other images are mixed in
            raise InputError(f"layer {name!r} of {model.name} {_NOT_FOUND}")
    doubtful = [layer for layer in found.unproven.values() if layer.height > 1 and layer.width > 1]
    if LAST in patterns and found.last is None and doubtful and doubtful[-1].output > found.maps[-1].output:
        prove(model, doubtful[-1:])
    return resolve_layers(patterns, found.maps, what=model.name, flat=lambda: found.flat, last=found.last)


def _asked_tokens(layer: Layer, patterns: Sequence[str], module: nn.Module) -> bool:
    if layer.layout != SEQUENCE:
        return False
    return layer.name in patterns or (LAST in patterns and _is_block(layer.name, module))


def _located(layer: Layer, found: Followed | None) -> Layer:
    """Put down what was followed of a layer; its layout is empty where its axes are in doubt."""
    if not is_map(layer):
        return layer
    if found is None:
        found = Followed("it was not called on a blank image")
    if found.layout is None:
        # an output of one position has no rows and columns to mistake
        certain = layer.height == layer.width == 1 and layer.channels > 1
        return replace(layer, no_field=str(found.field), layout=NCHW if certain else "")
    if isinstance(found.field, str):
        return replace(layer, no_field=found.field, layout=found.layout)
    return replace(layer, field=found.field, layout=found.layout)


def _arranged(layer: Layer, moved: str | None) -> Layer:
    """Give a layer the extents that its units, rows and columns have in its layout."""
    layout = moved or layer.layout
    if len(layout) != len(NCHW):
        return layer
    extents = dict(zip(layout, (0, layer.channels, layer.height, layer.width), strict=True))
    return replace(layer, channels=extents["c"], height=extents["h"], width=extents["w"], layout=layout)


def _last_block(layers: Sequence[Layer], module: nn.Module) -> Layer | None:
    """Return the last block of a network whose last layer with more than one position is a sequence of tokens, or its codes."""
    wide = [layer for layer in layers if layer.height > 1 and layer.width > 1]
    if not wide and isinstance(module, Adapter):
        return layers[-1]
    if not wide or is_map(wide[-1]):
        return None
    tokens = [layer for layer in wide if layer.layout == SEQUENCE]
    blocks = [layer for layer in tokens if _is_block(layer.name, module)]
    outermost = min((layer.name.count(".") for layer in blocks), default=0)
    return [layer for layer in blocks if layer.name.count(".") == outermost][-1] if blocks else tokens[-1]


def _is_block(layer: str, module: nn.Module) -> bool:
    """Tell whether the module of a layer has parts of its own and stands in a row of modules."""
    name = layer.removesuffix(TOKENS).partition("#")[0]
    parent, _, _ = name.rpartition(".")
    listed = isinstance(module.get_submodule(parent), (nn.Sequential, nn.ModuleList))
    return listed and any(True for _ in module.get_submodule(name).children())


def _moved(model: Model, layers: Sequence[Layer]) -> dict[str, str | None]:
    """Return the layouts of layers, None where there is none, by where they change with the quarters of an image."""
    pixels = quartered(*images(model, 2))
    grid, found = token_grid(model.module), dict[str, str | None]()
    tokens = {layer.name for layer in layers if layer.name.endswith(TOKENS)}

    def look(name: str, output: Any) -> None:
        if not isinstance(output, Tensor) or output.shape[0] != len(pixels):
            found[name] = None
        elif name in tokens:
            found[name] = SEQUENCE if axes_of(as_maps(name, output, grid).float().numpy()) == (2, 3) else None
        else:
            axes = axes_of(output.float().numpy())
            found[name] = layout_of(*axes) if axes else None

    taps = Taps(model.module, [layer.name for layer in layers])
    with torch.inference_mode(), _settled(model, "cpu"):
        taps.run(_batch(model, pixels, "cpu"), look, whole=False)
    return found


def prove(model: Model, layers: Sequence[Layer], device: str = "cpu") -> list[Layer]:
    """Show that layers are functions of one image each, and return them with what they give for the images of the probe.

    Parameters
    ----------
    model : Model
        The network, which is on the CPU before and after.
    layers : sequence of Layer
        Layers as `survey` returned them.
    device : str
        Where the network will run.

    Raises
    ------
    InputError
        With the layer, and the module that is the cause where one can be named.
    """
    if device != "cpu" and not torch.cuda.is_available():
        device = "cpu"  # the workers of a cluster have GPUs that its head need not have
    module = channels_last(model.module, device)
    taps = Taps(module, [layer.name for layer in layers], layouts={layer.name: layer.layout for layer in layers})
    both = _batch(model, images(model, 2), device)
    try:
        with torch.inference_mode(), _exact_convolutions(), _settled(model, device):
            found = taps(both.clone())  # a network may work in place on what it is handed
            _check(model, taps, both, found)
            return [replace(layer, values=_sketch(found[layer.name])) for layer in layers]
    finally:
        model.module.to("cpu")


def _check(model: Model, taps: Taps, both: Tensor, found: Mapping[str, Tensor]) -> None:
    for name, maps in found.items():
        if len(maps) != len(both):
            raise InputError(
                f"layer {name!r} of {model.name} returns {len(maps)} items for {len(both)} images: its first axis is "
                "not the batch; the forward pass must keep one item per image"
            )
    swapped = taps(both.flip(0))
    noise = _NOISE[dtype_of(model.module)]
    mixed = next((name for name in found if _differ(found[name], swapped[name].flip(0), noise)), None)
    if mixed is not None:
        again = taps(both.clone())
        if any(_differ(found[name], again[name], noise) for name in found):
            where = _culprit(taps.module, both, both, noise)
            raise InputError(
                f"layer {mixed!r} of {model.name} gives different values on every pass: {where} is random in evaluation mode; "
                "F.dropout needs training=self.training"
            )
        where = _culprit(taps.module, both, both.flip(0), noise)
        raise InputError(_company(mixed, model, where))
    try:
        alone = taps(both[:1].clone())
    except Exception as error:
        where = _without_statistics(model.module) or f"its forward pass ({type(error).__name__}: {error})"
        raise InputError(_company(next(iter(found)), model, where)) from error
    mixed = next((name for name in found if _differ(found[name][:1], alone[name], noise)), None)
    if mixed is not None:
        raise InputError(_company(mixed, model, _culprit(taps.module, both, both[:1], noise)))


def _company(layer: str, model: Model, where: str) -> str:
    return (
        f"layer {layer!r} of {model.name} gives an image other values in another batch: {where} looks at the other images "
        "of the batch; a batch norm needs running statistics (track_running_stats=True)"
    )


def _without_statistics(module: nn.Module) -> str | None:
    norms = ((name, part) for name, part in module.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return next((f"{type(part).__name__} {name!r}" for name, part in norms if part.running_mean is None), None)


def _differ(one: Tensor, other: Tensor, noise: float) -> bool:
    if one.shape != other.shape:
        return True
    most = one.abs().nan_to_num().amax() if one.numel() else one.new_zeros(())
    return not torch.allclose(one.double(), other.double(), rtol=0, atol=noise * float(most), equal_nan=True)


def _culprit(module: nn.Module, one: Tensor, other: Tensor, noise: float) -> str:
    """Name the first module that makes different outputs of equal inputs in two passes, which share their first image."""
    flipped = len(other) == len(one) and not torch.equal(one, other)
    runs = []
    for batch, row in ((one, 0), (other, len(other) - 1 if flipped else 0)):
        calls: list[tuple[str, str, tuple[float, ...], tuple[float, ...]]] = []
        hooks = {name: _noting(calls, name, len(batch), row) for name, _ in module.named_modules() if name}
        run_hooked(module, batch.clone(), hooks)
        runs.append(calls)
    for (name, kind, taken, given), (_, _, taken_then, given_then) in zip(*runs, strict=False):
        if alike(taken, taken_then, noise) and not alike(given, given_then, noise):
            return f"{kind} {name!r}"
    return "its own forward pass"


def _noting(
    calls: list[tuple[str, str, tuple[float, ...], tuple[float, ...]]], name: str, count: int, row: int
) -> Hook:
    def of_image(values: Any) -> tuple[float, ...]:
        value = next((v for v in (values if isinstance(values, tuple) else (values,)) if isinstance(v, Tensor)), None)
        if value is None or value.ndim == 0:
            return ()
        return _sketch(value[row] if len(value) == count else value)

    def note(part: nn.Module, arguments: Any, output: Any) -> None:
        calls.append((name, type(part).__name__, of_image(arguments), of_image(output)))

    return note


def images(model: Model, count: int) -> np.ndarray:
    """Return the images of the probe, which differ at all scales: uint8 of shape (count, height, width, 3)."""
    generator, (height, width) = np.random.default_rng(0), model.transform.input_size
    patches = generator.integers(0, 192, (count, 8, 8, 3))
    rows, columns = (np.arange(extent) * 8 // extent for extent in (height, width))
    fine = generator.integers(0, 64, (count, height, width, 3))
    return (patches[:, rows][:, :, columns] + fine).astype(np.uint8)


def _batch(model: Model, pixels: np.ndarray, device: str) -> Tensor:
    return prepare(pixels, *normalisation(model, device), device)


def _sketch(values: Tensor) -> tuple[float, ...]:
    return sketch(values.detach().double().cpu().numpy())


def same_forward(model: Model, now: Layer, then: Layer) -> bool:
    """Tell whether a layer gives what it gave, on the images of the probe."""
    return alike(now.values, then.values, _NOISE[dtype_of(model.module)])


def _exact_convolutions() -> AbstractContextManager[None]:
    """Keep convolutions on a GPU as they are in the work: in full precision and in one order."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


@contextmanager
def _settled(model: Model, device: str) -> Iterator[None]:
    """Give a random network the batch-norm statistics of the images, or nearly all of its last units would be dead."""
    norms = batch_norms(model.module) if model.needs_batch_norm else []
    kept = [{name: value.clone() for name, value in norm.named_buffers()} for norm in norms]
    try:
        if norms:
            reestimate_batch_norm(model.module, [_batch(model, images(model, 2), device)])
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            for name, value in norm.named_buffers():
                value.copy_(buffers[name])


__all__ = ["Survey", "chosen", "prove", "same_forward", "survey"]
