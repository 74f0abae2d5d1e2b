"""Chains of codes: from a random start, by steps of the prior and of a unit."""

from typing import Any

import torch
from torch import Tensor

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.synthesis.chain import RELEASE, Weights, log_probability, moved
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.synthesis.options import SynthesisOptions
from filterscope.pipeline.methods.synthesis.priors import Prior, exact_taps, normalised, seeds_of
from filterscope.pipeline.models.gradients import record
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.rectifiers import revive

#: Weight of the noise in the release.
_NO_NOISE = 1e-17


def sampled(
    prior: Prior,
    network: Network,
    units: list[int],
    asked: SynthesisOptions,
    weight: float,
    *,
    guided: bool,
    parts: Any,
) -> tuple[Tensor, Tensor]:
    """Return the codes at the end of the chains of some units, those of a unit one after the other, and their images.

    Parameters
    ----------
    prior : Prior
        What generates.
    network : Network
        With one layer tapped.
    units : list of int
        Units of that layer.
    asked : SynthesisOptions
        Steps, rate, noise, mode and chains.
    weight : float
        Of the prior.
    guided : bool
        Whether the units guide the chains; starts and noise are the same if not.
    parts : tuple
        What seeds depend on, beside unit and chain.
    """
    found = [_chains(prior, network, unit, asked, weight, guided, parts) for unit in units]
    codes, images = (torch.cat(part) for part in zip(*found, strict=True))
    return codes, images


@torch.inference_mode(False)
def _chains(
    prior: Prior, network: Network, unit: int, asked: SynthesisOptions, weight: float, guided: bool, parts: Any
) -> tuple[Tensor, Tensor]:
    """Run the chains of one unit, which have a batch of their own so that no result depends on other units."""
    seeds, release = seeds_of((*parts, asked.seed), [unit], asked.chains), asked.mode == RELEASE
    codes = prior.start(seeds, network.device)
    draws = torch.Generator().manual_seed(seed_of("noise of synthesis", *seeds) % 2**63)
    weights = Weights(weight, float(guided), _NO_NOISE if release else asked.noise)
    target, deviation = torch.full((len(codes),), unit, device=network.device), prior.deviation
    low = None if prior.low is None else prior.low / deviation
    for step in range(asked.steps):
        slope, denoised = _step(prior, network, codes, target, asked.mode)
        noise = torch.randn(codes.shape, generator=draws).to(codes)
        codes = deviation * moved(
            codes / deviation, denoised / deviation, slope * deviation, noise, weights, rate=asked.rate, low=low
        )
        if not bool(torch.isfinite(codes).all()):
            raise RunError(f"the codes of unit {unit} are not finite after {step + 1} steps; lower --synthesis.rate")
    with torch.no_grad():
        return codes, prior.images(codes)


@torch.enable_grad()
def _step(prior: Prior, network: Network, codes: Tensor, units: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    """Return the slope of the units' log-probability with respect to codes, and what the prior makes of the codes."""
    here = codes.detach().requires_grad_()
    images = prior.images(here)
    maps = record(exact_taps(network), normalised(network, images), (), whole=False)[1][network.layers[0]]
    values = maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2]
    # where no gradient passes a rectifier, it hands on what would raise its argument
    (slope,) = torch.autograd.grad(revive(log_probability(values, units, mode)).sum(), [here])
    with torch.no_grad():
        return slope, prior.denoised(here.detach(), images.detach())


__all__ = ["sampled"]
