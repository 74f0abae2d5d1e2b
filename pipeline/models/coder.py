"""Networks that encode images or decode codes: what a user's factory may return besides a plain network.

Written as methods of the module that the factory returns:

- ``codes(images)`` -> tensor (n, groups, dims) of a batch of images, normalised as for the forward pass. Capsules have a group
  per class; a variational autoencoder, an inference network or pooled filters have one.
- ``decode(codes, group)`` -> images (n, channels, height, width) from 0 to 1, of the codes (n, dims) of one group.
- ``latents()`` -> what its codes are drawn from, one item per code (`Categorical` for as many as it has values): needed to
  decode where there are no codes of images, and says how far a step goes.
- ``route(images)`` -> what has the tensors `votes` (n, groups, primary, dims), `coupling` (n, groups, primary) and `capsules`
  (n, groups, dims), where capsules are made of votes. The attribute `types` says how many types of primary capsules there are;
  those of a type are beside one another.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.coding import Categorical, Coding, Normal, Uniform

#: The layer of an encoder without a forward pass, and that of a decoder alone.
CODES, IMAGE = "codes", "image"
#: Images and codes of the check.
_FEW = 2


class Adapter(nn.Module):
    """A user's encoder or decoder that has no forward pass: its codes, or the image itself, are its only layer.

    Parameters
    ----------
    adapted : nn.Module
        The user's.
    """

    adapted: Any

    def __init__(self, adapted: nn.Module) -> None:
        super().__init__()
        self.adapted = adapted
        self.add_module(CODES if _has(adapted, "codes") else IMAGE, nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        """Return the codes of images, one after another, or the images."""
        if _has(self.adapted, "codes"):
            found: Tensor = self.get_submodule(CODES)(self.adapted.codes(images).flatten(1))
        else:
            found = self.get_submodule(IMAGE)(images)
        return found


def with_forward(module: nn.Module) -> nn.Module:
    """Return a network as it is, or, where it only encodes or decodes, with a forward pass."""
    alone = type(module).forward is nn.Module.forward
    return Adapter(module) if alone and any(_has(module, name) for name in ("codes", "decode")) else module


def coder_of(module: nn.Module) -> Any:
    """Return what has the methods of an encoder or decoder; None where the network has none of them."""
    found = module.adapted if isinstance(module, Adapter) else module
    return found if any(_has(found, name) for name in ("codes", "decode")) else None


def _has(module: nn.Module, name: str) -> bool:
    return callable(getattr(type(module), name, None))  # a part of a network of that name is no method


def coding_of(module: nn.Module, input_shape: tuple[int, ...], what: str) -> Coding | None:
    """Check an encoder or decoder, once, and say what its codes are; None where the network is neither.

    Parameters
    ----------
    module : nn.Module
        As `Model.module`, on the CPU.
    input_shape : tuple of int
        Channels, height and width of its input.
    what : str
        Its name, for the messages.

    Raises
    ------
    InputError
        With the method that is missing, or the shape that it returned.
    """
    coder = coder_of(module)
    if coder is None:
        return None
    encodes, decodes = _has(coder, "codes"), _has(coder, "decode")
    latents = _latents(coder, what) if _has(coder, "latents") else ()
    if decodes and not encodes and not latents:
        raise InputError(
            f"{what} has decode(codes, group) but neither codes(images) nor latents(), so that there is nothing to decode; "
            "add latents(), which returns a list of Normal(), Uniform(low, high) and Categorical(values)"
        )
    with torch.inference_mode():
        codes = _codes_of_blank(coder, input_shape, what) if encodes else torch.zeros(_FEW, 1, len(latents))
        groups, dims = codes.shape[1:]
        if latents and len(latents) != dims:
            raise InputError(
                f"latents() of {what} states {len(latents)} codes, and codes(images) returns {dims} in each group; state one "
                "per code, Categorical(k) for k of them"
            )
        if decodes:
            _check_decoded(coder, codes[:, 0], what)
        routes = encodes and _has(coder, "route")
        if routes:
            _check_routed(coder, input_shape, (groups, dims), what)
    return Coding(groups, dims, encodes, decodes, latents, routes)


def _codes_of_blank(coder: Any, shape: tuple[int, ...], what: str) -> Tensor:
    try:
        codes = coder.codes(torch.zeros(_FEW, *shape))
    except Exception as error:  # a user's method may fail in any way
        size = " x ".join(map(str, shape))
        raise InputError(
            f"codes(images) of {what} fails on images of {size}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(codes, Tensor) or codes.ndim != 3 or len(codes) != _FEW or not codes.is_floating_point():
        raise InputError(
            f"codes(images) of {what} returned {_described(codes)} for {_FEW} images; it must return a float tensor "
            "(n, groups, dims): add [:, None] to codes of shape (n, dims)"
        )
    return codes.float()


def _check_decoded(coder: Any, codes: Tensor, what: str) -> None:
    try:
        images = coder.decode(codes, 0)
    except Exception as error:  # a user's method may fail in any way
        raise InputError(
            f"decode(codes, group) of {what} fails on codes of shape {tuple(codes.shape)}: {type(error).__name__}: {error}"
        ) from error
    good = isinstance(images, Tensor) and images.ndim == 4 and len(images) == len(codes) and images.shape[1] in (1, 3)
    if not good:
        raise InputError(
            f"decode(codes, group) of {what} returned {_described(images)} for {len(codes)} codes; it must return images "
            "(n, channels, height, width), of 1 or 3 channels"
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(
            f"decode(codes, group) of {what} returned values from {low:.3g} to {high:.3g}; images go from 0 to 1: undo the "
            "normalisation, or end with a sigmoid"
        )


def _check_routed(coder: Any, shape: tuple[int, ...], size: tuple[int, int], what: str) -> None:
    try:
        found = coder.route(torch.zeros(_FEW, *shape))
        votes, coupling, capsules = found.votes, found.coupling, found.capsules
        types = int(coder.types)
    except Exception as error:  # a user's method may fail in any way
        raise InputError(
            f"route(images) of {what} fails: {type(error).__name__}: {error}; it must return what has votes, coupling and "
            "capsules, and the network an attribute types"
        ) from error
    groups, dims = size
    primary = votes.shape[2] if isinstance(votes, Tensor) and votes.ndim == 4 else 0
    expected = (_FEW, groups, primary, dims), (_FEW, groups, primary), (_FEW, groups, dims)
    given = votes, coupling, capsules
    if not primary or any(
        not isinstance(one, Tensor) or one.shape != own for one, own in zip(given, expected, strict=True)
    ):
        raise InputError(
            f"route(images) of {what} returned votes, coupling and capsules of {', '.join(map(_described, given))} for "
            f"{_FEW} images; they must be (n, groups, primary, dims), (n, groups, primary) and (n, groups, dims), as "
            f"codes(images) has {groups} groups of {dims}"
        )
    if groups < _FEW or types < 1 or primary % types:
        raise InputError(
            f"{what} routes {primary} primary capsules of {types} types to {groups} groups; there must be two groups or "
            "more, and as many primary capsules of each type"
        )


def _latents(coder: Any, what: str) -> tuple[tuple[float, ...], ...]:
    stated, found = coder.latents(), list[tuple[float, ...]]()
    items: Sequence[Any] = stated if isinstance(stated, (list, tuple)) else [stated]
    for number, item in enumerate(items):
        if isinstance(item, Normal):
            found.append(())
        elif isinstance(item, Uniform) and item.low < item.high:
            found.append((float(item.low), float(item.high)))
        elif isinstance(item, Categorical) and item.values >= 2:
            found += [(float(number),)] * item.values
        else:
            raise InputError(
                f"latents() of {what} returned {item!r}; it must return a list of Normal(), Uniform(low, high) and "
                "Categorical(values) of filterscope.pipeline.models.coding"
            )
    return tuple(found)


def _described(value: object) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


__all__ = ["CODES", "IMAGE", "Adapter", "coder_of", "coding_of", "with_forward"]
