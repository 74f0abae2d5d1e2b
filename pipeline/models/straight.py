"""Optimised inputs that stay between black and white, and the images of 8 bits that they are kept as."""

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.optimisation import Transformation


def bounded(network: Network) -> Transformation:
    """Return what holds normalised inputs between black and white: cut on the way forward, passed on the way back."""
    low, high = -network.mean / network.std, (255 - network.mean) / network.std

    def cut(inputs: Tensor, generator: torch.Generator) -> Tensor:
        # what lies beyond may come back
        return inputs + (torch.clamp(inputs, low, high) - inputs).detach()

    return cut


def pixels_of(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Return normalised inputs (n, channels, height, width) as images, uint8 of shape (n, height, width, 3)."""
    mean, std = (part.cpu().numpy() for part in (network.mean, network.std))
    values = np.rint(np.clip(inputs * std + mean, 0, 255)).astype(np.uint8)
    shown = values[:, :3] if values.shape[1] >= 3 else np.repeat(values[:, :1], 3, axis=1)
    return np.ascontiguousarray(np.moveaxis(shown, 1, 3))


__all__ = ["bounded", "pixels_of"]
