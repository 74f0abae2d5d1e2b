"""A step of a plug-and-play generative network: towards what is natural, towards a unit, and at random."""

from dataclasses import dataclass

import torch
from torch import Tensor

#: The gradient of the log-probability: exact, or as in the authors' release.
EXACT, RELEASE = "exact", "release"


@dataclass(frozen=True)
class Weights:
    """Weights of a step: of the prior, of the unit and of the noise (epsilon 1, 2 and 3 of the paper)."""

    prior: float
    unit: float
    noise: float


def log_probability(values: Tensor, units: Tensor, mode: str = EXACT) -> Tensor:
    """Return the logarithm of the softmax over units, at one unit of each row.

    Parameters
    ----------
    values : Tensor of shape (n, C)
        What the layer gives at one place.
    units : int64 Tensor of shape (n,)
        The unit of each.
    mode : {"exact", "release"}
        Its gradient is e_u - p. The release sets the entries of the other units to 0, which leaves (1 - p_u) e_u.

    References
    ----------
    Nguyen et al. 2017, Plug & Play Generative Networks, equation 5; `sampler.py` of the release.
    """
    logs = torch.log_softmax(values, 1).gather(1, units[:, None])[:, 0]
    if mode == EXACT:
        return logs
    own = values.gather(1, units[:, None])[:, 0]
    through = (1 - logs.exp()).detach() * own
    return logs.detach() + through - through.detach()


def moved(
    codes: Tensor,
    denoised: Tensor,
    slope: Tensor,
    noise: Tensor,
    weights: Weights,
    *,
    rate: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Tensor:
    """Return codes after a step.

    Parameters
    ----------
    codes, denoised, slope, noise : Tensor of shape (n, ...)
        Codes, what an autoencoder makes of them, the gradient of the unit's log-probability, and standard normal noise.
    weights : Weights
        Their weights.
    rate : float, optional
        Mean size of a step over the entries of each row, as in the release; unset: the step as it is, whose chain has the
        law of the prior where the unit's weight is 0.
    low, high : float, optional
        Bounds of codes.

    Notes
    -----
    With denoised - codes = s^2 grad log p, s the deviation of the noise that the autoencoder removes, noise weighted by
    sqrt(2 * prior) * s gives Langevin dynamics of p.
    """
    step = weights.prior * (denoised - codes) + weights.unit * slope + weights.noise * noise
    if rate is not None:
        size = step.flatten(1).abs().mean(1)
        size = torch.where(size > 0, size, torch.ones_like(size))
        step = rate * step / size.view(-1, *[1] * (step.ndim - 1))
    found = codes + step
    return found if low is None and high is None else found.clamp(low, high)


__all__ = ["EXACT", "RELEASE", "Weights", "log_probability", "moved"]
