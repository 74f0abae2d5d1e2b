"""What the output of a module is to an audit: a stack of maps, one value per unit, or the patches of a transformer.

An output (N, C, H, W) is a layer of C maps. An output (N, C) is a layer of C units with maps of 1 x 1. A sequence of
tokens (N, T, C), addressed as ``name@tokens``, is a layer of C maps over the grid of patches: tokens that stand for no
patch (class, distillation, register tokens) come first and are left out, the others are patches row by row.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.layer import NCHW

TOKENS = "@tokens"


@dataclass(frozen=True)
class TokenGrid:
    """How the tokens of a transformer lie in the image: `prefix` tokens without a place, then height x width patches."""

    prefix: int
    height: int
    width: int

    def prefix_of(self, tokens: int) -> int | None:
        """Return how many of so many tokens come before the patches; None if they cannot be laid out."""
        more = tokens - self.height * self.width
        # before the class token is put in front, and in networks without one, there are patches alone
        return more if more in (0, self.prefix) else None


def token_grid(module: nn.Module) -> TokenGrid | None:
    """Return the patches of a transformer of timm or torchvision, also inside another module; None for other networks."""
    for part in module.modules():
        grid = getattr(getattr(part, "patch_embed", None), "grid_size", None)
        prefix = getattr(part, "num_prefix_tokens", None)
        if isinstance(prefix, int) and isinstance(grid, tuple) and len(grid) == 2:
            return TokenGrid(prefix, *grid)
        image, patch = getattr(part, "image_size", None), getattr(part, "patch_size", None)
        if isinstance(image, int) and isinstance(patch, int) and isinstance(getattr(part, "class_token", None), Tensor):
            return TokenGrid(1, image // patch, image // patch)
    return None


def address(name: str) -> tuple[str, int] | None:
    """Return the module that the name of a layer means, and which of its calls; None if the name is malformed."""
    module, _, call = name.removesuffix(TOKENS).partition("#")
    return (module, int(call or 0)) if not call or call.isdecimal() else None


def as_maps(name: str, output: Any, grid: TokenGrid | None, layout: str = NCHW) -> Tensor:
    """Return the output of a module, whose axes are those of `layout`, as maps (N, C, H, W), a view of it where possible.

    Raises
    ------
    InputError
        If it is neither maps nor one value per unit, or its tokens were asked for and cannot be laid out.
    """
    if name.endswith(TOKENS):
        return _patches(name, output, grid)
    if isinstance(output, Tensor) and output.ndim == 2:
        return output[:, :, None, None]
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise InputError(f"layer {name!r} gives {described(output)}, not a map (N, C, H, W)")
    return output.permute([layout.index(axis) for axis in NCHW])


def _patches(name: str, output: Any, grid: TokenGrid | None) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim != 3:
        raise InputError(f"layer {name!r} gives {described(output)}, not a sequence of tokens (N, T, C)")
    if grid is None:
        raise InputError(f"layer {name!r} cannot be laid out: the network does not say which patches its tokens are")
    prefix = grid.prefix_of(output.shape[1])
    if prefix is None:
        raise InputError(
            f"layer {name!r} gives {output.shape[1]} tokens, which do not fill {grid.height} x {grid.width} patches "
            f"with {grid.prefix} tokens before them"
        )
    patches = output[:, prefix:].transpose(1, 2)
    return patches.view(*patches.shape[:2], grid.height, grid.width)


def described(output: Any) -> str:
    """Return the shape of a tensor, or what else it is."""
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__


def call_names(modules: Sequence[str], are_maps: Sequence[bool]) -> list[str]:
    """Name the calls of modules, given in order of execution.

    A call that gives maps has the name of its module where it is its first and no other gives maps; any other call has
    it where it is the module's only one. The rest are ``name#k``, k from 0 in order of all calls of that module.
    """
    calls = Counter(modules)
    maps = Counter(name for name, is_map in zip(modules, are_maps, strict=True) if is_map)
    seen, names = Counter[str](), []
    for name, is_map in zip(modules, are_maps, strict=True):
        alone = maps[name] == 1 and seen[name] == 0 if is_map else calls[name] == 1
        names.append(name if alone else f"{name}#{seen[name]}")
        seen[name] += 1
    return names


__all__ = ["TOKENS", "TokenGrid", "address", "as_maps", "call_names", "described", "token_grid"]
