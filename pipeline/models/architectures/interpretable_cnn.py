"""A network whose last convolution has filters that each learn one part of an object, on a layer of another network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from filterscope.operators.interpretable import mutual_information, released
from filterscope.operators.interpretable.templates import Templates, strongest
from filterscope.pipeline.engine.errors import InputError

#: How maps are masked: not at all, as the paper says, or as the authors' code does.
Mode = Literal["none", "paper", "release"]

#: What the release multiplies its derivative by; its weight of an epoch is this over the epoch's number, from 1.
RELEASED_WEIGHT = 1e-6
#: Share of the way to the wanted widths that an update of the release goes: 1e4 of a pseudo-derivative at its rates.
_WIDENED = 0.05
_SMALLEST = 2

#: ``pull(maps, mask)``: what is added to the derivative of maps, and whether it is to be scaled to that.
Pull = Callable[[Tensor], tuple[np.ndarray, float | None]]


class _Pulled(torch.autograd.Function):
    """Maps as they are; on the way back a pull is added to their derivative."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, pull: Pull) -> Tensor:
        ctx.save_for_backward(maps)
        ctx.pull = pull
        return maps.view_as(maps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (maps,), (gradient,) = ctx.saved_tensors, gradients
        pull, kappa = ctx.pull(maps)
        added = torch.from_numpy(pull).to(gradient)
        if kappa is not None:
            size = added.abs().mean(dtype=torch.float64)
            added *= kappa * gradient.abs().mean(dtype=torch.float64) / size.clamp(min=torch.finfo(torch.float64).tiny)
        return gradient + added, None


class PartMask(nn.Module):
    """Multiplies each map by a mask about its position and keeps what is positive.

    Parameters
    ----------
    mode : str
        `paper`: about the strongest position, as wide as the templates. `release`: about the centroid, of learnt width.
        `none`: maps pass as they are.
    filters, height, width : int
        Of the maps.

    Attributes
    ----------
    fall : Tensor of shape (filters,)
        How fast the masks of the release fall off.
    """

    masks: Tensor
    fall: Tensor

    def __init__(self, mode: Mode, filters: int, height: int, width: int) -> None:
        super().__init__()
        self.mode, self.templates = mode, Templates.of(height, width)
        self.register_buffer("masks", torch.from_numpy(self.templates.masks).float(), persistent=False)
        self.register_buffer("fall", torch.full((filters,), released.WIDTH))

    def forward(self, maps: Tensor) -> Tensor:
        """Mask maps (n, filters, height, width), not negative."""
        return maps if self.mode == "none" else functional.relu(maps * self.of(maps))

    def of(self, maps: Tensor) -> Tensor:
        """Return the masks, of the shape of the maps; no derivative goes through them."""
        seen = maps.detach()
        if self.mode == "paper":
            return self.masks.to(maps.dtype)[seen.flatten(2).argmax(2)]
        far = torch.zeros_like(seen)
        for axis in (2, 3):
            cells = torch.arange(maps.shape[axis], device=maps.device, dtype=maps.dtype)
            along = seen.sum(5 - axis)
            middle = (along * cells).sum(2) / along.sum(2).clamp(min=released.LEAST)
            away = (cells - (middle + 0.5).floor()[..., None]).abs() * (2 / max(maps.shape[axis] - 1, 1))
            far = far + away.unsqueeze(5 - axis)
        return (1 - self.fall[:, None, None].to(maps.dtype) * far).clamp(min=-1)

    def pulled(self, maps: Tensor, own: np.ndarray, strength: float, shares: tuple[np.ndarray, np.ndarray]) -> Tensor:
        """Return the maps; on the way back they are drawn towards their templates.

        Parameters
        ----------
        maps : Tensor of shape (n, filters, height, width)
            Not negative.
        own : bool ndarray of shape (n, filters)
            Whether an image is of a filter's category.
        strength : float
            Mean size of the pull, in those of the derivative of the other loss; in the mode `release` its weight.
        shares : two float ndarrays of shape (filters,)
            How much images of a filter's category weigh, and the others; read in the mode `release`.
        """

        def pull(seen: Tensor) -> tuple[np.ndarray, float | None]:
            values = seen.detach().cpu().numpy()
            if self.mode == "paper":
                return mutual_information.loss_gradient(values, strongest(values), own, self.templates), strength
            mask = released.masks(values, self.fall.cpu().numpy())
            return np.float32(strength) * released.loss_gradient(values, mask, own, shares), None

        return cast(Tensor, _Pulled.apply(maps, pull))  # type: ignore[no-untyped-call]

    def widen(self, maps: Tensor, own: np.ndarray) -> None:
        """Move the widths of the release towards those that the maps want."""
        values, fall = maps.detach().cpu().numpy(), self.fall.cpu().numpy()
        wanted = released.wanted_widths(values, released.masks(values, fall), own, fall)
        self.fall += _WIDENED * (torch.from_numpy(wanted).to(self.fall) - self.fall)


class InterpretableCNN(nn.Module):
    """A network up to a layer, a convolution of new filters with ReLU, mask and pooling, and a linear head.

    Parameters
    ----------
    backbone : str
        The network, as ``SCHEME:ARCH`` of torchvision or timm.
    arguments : mapping
        Of its constructor.
    layer : str
        Where it ends; ``name#k`` for a call of a module.
    dropped : sequence of str
        Modules behind it, which are left out.
    channels, height, width : int
        Of that layer's maps.
    reduced : int
        Directions that the channels are projected on first; 0 takes them as they are.
    filters : int
        New filters.
    outputs : int
        Scores.
    mode : str
        How maps are masked; see `PartMask`. The release masks what was pooled, the paper what is pooled.
    dropout : float
        Share of the pooled values that the head does not see in training.
    """

    scale: Tensor

    def __init__(
        self,
        backbone: str,
        layer: str,
        channels: int,
        height: int,
        width: int,
        filters: int,
        outputs: int,
        mode: Mode = "paper",
        reduced: int = 0,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        dropped: Sequence[str] = (),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if min(height, width) < _SMALLEST:
            raise InputError(f"maps of {height} x {width} have no parts to learn; name a layer with larger ones")
        self.backbone, self.layer, self.mode = _built(backbone, arguments), layer, mode
        for name in dropped:
            self.backbone.set_submodule(name, nn.Identity())
        self.register_buffer("scale", torch.ones(()))
        self.reduce = nn.Conv2d(channels, reduced, 1) if reduced else nn.Identity()
        self.filters = nn.Conv2d(reduced or channels, filters, 3, padding=1)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        size = (height // 2, width // 2)
        self.mask = PartMask(mode, filters, *(size if mode == "release" else (height, width)))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(filters * size[0] * size[1], outputs))
        self.backbone.requires_grad_(False)
        self.reduce.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (n, outputs) of images (n, 3, height, width)."""
        maps = self.relu(self.filters(self.features(images)))
        return self.scores(maps)

    def features(self, images: Tensor) -> Tensor:
        """Return what the new filters see: maps (n, reduced or channels, height, width)."""
        found: Tensor = self.reduce(self.maps(images) * self.scale)
        return found

    @property
    def linear(self) -> nn.Linear:
        """What weighs the pooled maps."""
        return cast(nn.Linear, self.head[2])

    def maps(self, images: Tensor) -> Tensor:
        """Return the maps of the backbone's layer (n, channels, height, width)."""
        return reached(self.backbone, self.layer, images)

    def scores(self, maps: Tensor, pull: Callable[[Tensor], Tensor] = lambda maps: maps) -> Tensor:
        """Return scores of rectified maps of the new filters; `pull` is applied where these are masked."""
        if self.mode == "release":
            return cast(Tensor, self.head(self.mask(pull(self.pool(maps)))))
        return cast(Tensor, self.head(self.pool(self.mask(pull(maps)))))


class _Reached(BaseException):
    """Ends a pass at a layer; no `except Exception` inside a network catches it."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps


def reached(module: nn.Module, layer: str, images: Tensor) -> Tensor:
    """Return the output of a layer, where the pass ends; RuntimeError if it is not reached."""
    name, _, call = layer.partition("#")
    left = int(call or 0)

    def stop(part: nn.Module, arguments: Any, output: Tensor) -> None:
        nonlocal left
        if left == 0:
            raise _Reached(output)
        left -= 1

    handle = module.get_submodule(name).register_forward_hook(stop)
    try:
        module(images)
    except _Reached as found:
        return found.maps
    finally:
        handle.remove()
    raise RuntimeError(f"layer {layer!r} is not reached")


def behind(module: nn.Module, layer: str, images: Tensor) -> list[str]:
    """Return the outermost modules with weights that are not entered before a layer has given its output."""
    entered: set[str] = set()
    with _entering(module, entered):
        reached(module, layer, images)
    needed = {name.rsplit(".", depth)[0] for name in entered for depth in range(name.count(".") + 1)}
    unused = [name for name, part in module.named_modules() if name and name not in needed and list(part.parameters())]
    return [name for name in unused if name.rpartition(".")[0] not in unused]


@contextmanager
def _entering(module: nn.Module, entered: set[str]) -> Iterator[None]:
    def hook(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda part, arguments: entered.add(name)

    handles = [part.register_forward_pre_hook(hook(name)) for name, part in module.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def refuse_unknown(backbone: str, arguments: Mapping[str, Any]) -> None:
    """Stop if a network cannot be built by its name alone; InputError says which can."""
    with torch.device("meta"):
        _built(backbone, arguments)


def _built(backbone: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a named network with weights that are still random; nothing is fetched or read, whatever a checkpoint says."""
    from filterscope.pipeline.models.vision import torchvision

    scheme, _, name = backbone.partition(":")
    if refused := sorted(_FETCHING & set(arguments)):
        raise InputError(
            f"{backbone}: the argument {refused[0]} would read or fetch weights, and those are in the checkpoint"
        )
    if scheme == "torchvision" and name in torchvision.models.list_models(module=torchvision.models):
        built: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
        return built
    if scheme == "timm":
        import timm

        if timm.is_model(name):
            made: nn.Module = timm.create_model(name, pretrained=False, **arguments)
            return made
    raise InputError(
        f"{backbone}: interpretable filters stand on classifiers of torchvision or networks of timm; name one of these"
    )


#: Arguments of constructors that read files or the network.
_FETCHING = {
    "weights",
    "weights_backbone",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
}


__all__ = ["RELEASED_WEIGHT", "InterpretableCNN", "Mode", "PartMask", "behind", "reached", "refuse_unknown"]
