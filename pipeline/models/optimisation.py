"""Inputs that a network answers strongly to, by gradient ascent (Erhan et al. 2009, "Visualizing higher-layer features")."""

from collections.abc import Callable

import torch
from torch import Tensor

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.gradients import INPUT, Scalar, record, values_of
from filterscope.pipeline.models.taps import Taps

#: What the network is shown in place of the input, made from it at every step; random draws come from the generator.
Transformation = Callable[[Tensor, torch.Generator], Tensor]


@torch.inference_mode(False)
@torch.enable_grad()
def ascend(
    taps: Taps,
    start: Tensor,
    objective: Scalar,
    count: int,
    *,
    steps: int,
    learning_rate: float,
    transform: Transformation | None,
    seed: int,
    scores: bool,
) -> tuple[Tensor, Tensor]:
    """Maximise one value per image over a batch of inputs with Adam; every image on its own.

    Parameters
    ----------
    taps : Taps
        The network with all that the objective reads tapped.
    start : Tensor of shape (N, ...)
        Where to start; images (N, 3, H, W) in normalised space unless `transform` makes them.
    objective, transform : callable
        See `gradients.Scalar`, which reads what the network is shown under `INPUT`, and `Transformation`.
    count : int
        Real images of the batch, the others being padding.
    steps, learning_rate
        Updates, and the rate of Adam, whose other settings are torch's own.
    seed, scores
        Seed of the generator, and whether the objective reads the class scores.

    Returns
    -------
    Tensor of shape (count, ...)
        The inputs after the last update.
    Tensor of shape (steps + 1, count)
        The objective before each update and at the end.

    Raises
    ------
    InputError
        If the objective does not depend on the input, or is not one value per image.
    RunError
        If it becomes NaN or infinite.
    """
    inputs = start.detach().clone().requires_grad_()
    adam = torch.optim.Adam([inputs], lr=learning_rate, maximize=True)
    generator = torch.Generator(inputs.device).manual_seed(seed)
    trace = torch.empty((steps + 1, count), device=inputs.device)
    for step in range(steps + 1):
        shown = inputs if transform is None else transform(inputs, generator)
        shown = shown.contiguous(memory_format=torch.channels_last)
        found, values, _ = record(taps, shown, (), whole=scores)
        value = values_of(objective, found, {**values, INPUT: shown}, count, None)
        trace[step] = value.detach()
        if not bool(trace[step].isfinite().all()):
            raise RunError(f"the objective is {trace[step].tolist()} after {step} steps; lower the learning rate")
        if step < steps:
            inputs.grad = _slope(value, inputs)
            adam.step()
    return inputs.detach()[:count], trace


def _slope(value: Tensor, inputs: Tensor) -> Tensor:
    slope = torch.autograd.grad(value.sum(), [inputs], allow_unused=True)[0] if value.requires_grad else None
    if slope is None:
        raise InputError("the objective does not depend on the input, so there is nothing to optimise")
    return slope


__all__ = ["Transformation", "ascend"]
