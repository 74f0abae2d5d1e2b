"""Forward passes that gradients can be taken through.

A tap stands in the way of the data: the network goes on with a copy of the tapped value, so that an in-place ReLU behind
it overwrites the copy, and the gradient is with respect to the value as all that comes after the tap uses it. What a
network does with the argument of an in-place module, other than handing it over, goes round the tap behind that module.
Nothing before the first tap is recorded unless the gradient of the input is asked, so a late layer costs little.

On a GPU some backward passes add in no fixed order, so that gradients may differ in their last bits.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.taps import Taps

#: The network's input among taps, normalised; a module that is called ``input`` is ``input#0``.
INPUT = "input"


class Scalar(Protocol):
    """What is differentiated: one value per image, shape (n,).

    Parameters
    ----------
    scores : Tensor of shape (n, classes), or None
        Class scores; None where they were not asked.
    taps : mapping of str to Tensor of shape (n, C, h, w)
        Values of the tapped layers, and of the normalised input under `INPUT`.
    *more
        The targets of these images, where targets were given.
    """

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return the values."""


def record(
    taps: Taps, batch: Tensor, through: Iterable[str], *, whole: bool
) -> tuple[Tensor | None, dict[str, Tensor], dict[str, Tensor]]:
    """Run a forward pass, recorded from the first layer in `through` on, or all of it if the batch asks for a gradient.

    Parameters
    ----------
    taps : Taps
        The network and its tapped layers.
    batch : Tensor of shape (N, 3, H, W)
        Normalised images, which stay as they are.
    through : iterable of str
        Tapped layers whose gradients will be asked.
    whole : bool
        Whether to go on to the class scores once all layers were called.

    Returns
    -------
    scores : Tensor of shape (N, classes), or None
        None unless `whole`.
    values : dict of str to Tensor of shape (N, C, h, w)
        The tapped layers, their units rotated where taps say so.
    raw : dict of str to Tensor
        The outputs of the layers in `through` that gradients are taken of, in the shape in which the network gives them.
    """
    through, values, raw = frozenset(through), dict[str, Tensor](), dict[str, Tensor]()

    def take(name: str, output: Any) -> Tensor | None:
        copy = output.clone() if isinstance(output, Tensor) else output
        if name in through and isinstance(copy, Tensor):
            raw[name] = copy.requires_grad_()
        values[name] = taps.units(name, copy)
        return copy.clone() if name in raw else None

    output = taps.run(batch.clone(), take, whole=whole)
    return scores_of(output) if whole else None, values, raw


def values_of(of: Scalar, scores: Tensor | None, taps: Mapping[str, Tensor], count: int, targets: Any) -> Tensor:
    """Evaluate what is differentiated on the first `count` images of a batch, the others being padding.

    Raises
    ------
    InputError
        If it is not one value per image.
    """
    here = {name: value[:count] for name, value in taps.items()}
    found = of(None if scores is None else scores[:count], here, *(() if targets is None else (targets,)))
    if not isinstance(found, Tensor) or found.shape != (count,):
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"what is differentiated must be one value per image, of shape ({count},); got {got}")
    return found


@torch.inference_mode(False)
@torch.enable_grad()
def gradients_of(
    taps: Taps, batch: Tensor, of: Scalar, at: Sequence[str], count: int, *, scores: bool, targets: Any
) -> dict[str, Tensor]:
    """Return the gradients of one value per image of a batch, of which the first `count` images are real.

    Parameters
    ----------
    taps : Taps
        The network with all that `of` reads and all of `at` tapped, `INPUT` aside.
    batch : Tensor of shape (N, 3, H, W)
        Normalised images; no tensor of inference mode.
    of : callable
        See `Scalar`.
    at : sequence of str
        Tapped layers, or `INPUT`.
    count : int
        Real images.
    scores : bool
        Whether `of` reads the class scores.
    targets : sequence, optional
        One item per image, handed on to `of`.

    Returns
    -------
    dict of str to Tensor of shape (count, C, h, w)
        One entry for each of `at`.

    Raises
    ------
    InputError
        If a layer has no influence on the value, or `of` is not one value per image.
    """
    inputs = batch.detach().requires_grad_(INPUT in at)
    found, values, raw = record(taps, inputs, [name for name in at if name != INPUT], whole=scores)
    raw = {INPUT: inputs, **raw} if INPUT in at else raw
    scalar = values_of(of, found, {**values, INPUT: inputs}, count, targets)
    gradients: dict[str, Tensor] = {}
    for name, slope in zip(at, slopes_of(scalar, raw, at), strict=True):
        gradients[name] = (slope if name == INPUT else taps.units(name, slope))[:count].float()
    return gradients


@torch.inference_mode(False)
@torch.enable_grad()
def gradients_of_each(
    taps: Taps, batch: Tensor, classes: Sequence[int], at: Sequence[str], count: int
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return the gradients of K class scores of the first `count` images of a batch, from one pass forward and K back.

    Parameters
    ----------
    taps, batch, at, count : see `gradients_of`
        `INPUT` is none of the layers.
    classes : sequence of int
        The K classes.

    Returns
    -------
    scores : Tensor of shape (count, classes of the network)
        All class scores.
    values : dict of str to Tensor of shape (count, C, h, w)
        The layers of `at`.
    gradients : dict of str to Tensor of shape (count, K, C, h, w)
        One entry for each of `at`; 0 where a layer has no influence on the score of a class.
    """
    scores, values, raw = record(taps, batch.detach(), at, whole=True)
    assert scores is not None
    found: dict[str, list[Tensor]] = {name: [] for name in at}
    for index in classes:
        value, asked = scores[:count, index].sum(), [raw[name] for name in at]
        slopes = torch.autograd.grad(value, asked, allow_unused=True, retain_graph=True)
        for name, slope in zip(at, slopes, strict=True):
            known = torch.zeros_like(raw[name]) if slope is None else slope
            found[name].append(taps.units(name, known)[:count].float())
    kept = {name: values[name][:count].detach().float() for name in at}
    return scores[:count].detach().float(), kept, {name: torch.stack(parts, 1) for name, parts in found.items()}


def slopes_of(
    value: Tensor,
    raw: Mapping[str, Tensor],
    at: Sequence[str],
) -> list[Tensor]:
    """Return the gradients of a value per image with respect to recorded outputs, in their shapes.

    Raises
    ------
    InputError
        If one has no influence on the value.
    """
    asked = [raw[name] for name in at]
    found = torch.autograd.grad(value.sum(), asked, allow_unused=True) if value.requires_grad else (None,) * len(at)
    slopes: list[Tensor] = []
    for name, slope in zip(at, found, strict=True):
        if slope is None:
            raise InputError(
                f"what is differentiated does not depend on {name!r}: it is made before it, or the network goes round it"
            )
        slopes.append(slope)
    return slopes


def tapped_for(taps: Taps, at: Iterable[str]) -> Taps:
    """Return taps of the same network at these layers too, in full precision."""
    names = (*taps.names, *(name for name in at if name != INPUT))
    return Taps(taps.module, names, rotation=taps.rotation, layouts=taps.layouts)


__all__ = ["INPUT", "Scalar", "gradients_of", "gradients_of_each", "record", "slopes_of", "tapped_for", "values_of"]
