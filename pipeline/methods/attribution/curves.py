"""Deletion and insertion of the pixels that a map holds for important, with two fills."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.attribution.curves import area_under, changed_pixels, ranks
from filterscope.pipeline.methods.attribution.explainers.passes import scores_of_copies
from filterscope.pipeline.methods.outputs.stage import probabilities
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare

#: Side and standard deviation of the Gaussian that blurs, in pixels, as of RISE.
KERNEL, SIGMA = 11, 5.0


@dataclass(frozen=True)
class Filled:
    """One image, and what takes the place of its pixels; both normalised, of shape (C, H, W)."""

    image: Tensor
    fills: dict[str, Tensor]

    @classmethod
    def of(cls, network: Network, pixels: np.ndarray) -> "Filled":
        """Prepare an image, uint8 of shape (height, width, 3), and its fills: a blur of it and the mean colour."""
        image = prepare(pixels[None], network.mean, network.std, network.device)[0]
        return cls(image, {"blur": blurred(image), "mean": torch.zeros_like(image)})


def blurred(image: Tensor) -> Tensor:
    """Return an image (C, H, W) blurred by a Gaussian; beyond its borders lie the pixels at them."""
    offsets = torch.arange(KERNEL, dtype=image.dtype, device=image.device) - KERNEL // 2
    weights = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    weights = weights / weights.sum()
    found = torch.nn.functional.pad(image[:, None], [KERNEL // 2] * 4, mode="replicate")
    found = torch.nn.functional.conv2d(found, weights.view(1, 1, -1, 1))
    return torch.nn.functional.conv2d(found, weights.view(1, 1, 1, -1))[:, 0]


def curves(network: Network, shown: Filled, values: np.ndarray, own: int) -> dict[str, float]:
    """Return the areas under the four curves of one map, float32 of shape (H, W), by their names `CURVES`."""
    rank = torch.from_numpy(ranks(values)).to(network.device)
    changed = torch.from_numpy(changed_pixels(values.size)).to(network.device)
    found = {}
    for fill, filled in shown.fills.items():
        for kind, (before, after) in {"deletion": (shown.image, filled), "insertion": (filled, shown.image)}.items():

            def copies(first: int, last: int, before: Tensor = before, after: Tensor = after) -> Tensor:
                return torch.where((rank < changed[first:last, None, None])[:, None], after, before)

            scores = scores_of_copies(network, copies, len(changed))
            found[f"{kind}_{fill}"] = area_under(probabilities(scores)[:, own].astype(np.float64))
    return found


__all__ = ["Filled", "blurred", "curves"]
