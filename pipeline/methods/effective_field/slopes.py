"""Magnitudes of gradients of single units, and of their active cells together, with respect to the image."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.location.occlusion import peak_positions
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.effective_field.asked import FieldTask
from filterscope.pipeline.methods.tasks import chosen_views
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import pixel_gradients

#: Gradients of a pass, at most, on a CPU.
BATCH = 8


@dataclass
class AtMaximum:
    """The value of one unit of a layer where its map is largest; what is differentiated.

    Attributes
    ----------
    layer : str
        The layer.
    positions : list of int64 ndarray
        Where that is, batch by batch; `NOWHERE` where the map is constant.
    """

    layer: str
    positions: list[np.ndarray] = field(default_factory=list)

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return the values; the third argument holds the unit of each image."""
        maps = taps[self.layer]
        unit = torch.from_numpy(np.ascontiguousarray(more[0])).to(maps.device)
        own = maps[torch.arange(len(maps), device=maps.device), unit]
        here = peak_positions(own.detach().float().cpu().numpy())
        self.positions.append(here)
        place = torch.from_numpy(np.maximum(here, 0)).to(maps.device)
        return own.flatten(1).gather(1, place[:, None])[:, 0]


@dataclass(frozen=True)
class OfActive:
    """The sum of one unit's map where it is above T; what is differentiated. 0 for a map that is nowhere above it.

    Attributes
    ----------
    layer : str
        The layer.
    """

    layer: str

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return the values; the third argument holds unit and T of each image, (n, 2)."""
        maps = taps[self.layer]
        units, limits = (torch.from_numpy(np.ascontiguousarray(more[0][:, part])).to(maps.device) for part in (0, 1))
        own = maps[torch.arange(len(maps), device=maps.device), units.long()]
        return (own * (own > limits[:, None, None])).sum((1, 2))


def batched(network: Network, device: str) -> Network:
    """Return the same network with passes that hold their gradients."""
    return replace(network, batch_size=min(network.batch_size, BATCH)) if device == "cpu" else network


def magnitudes(network: Network, pixels: np.ndarray, of: Any, targets: np.ndarray) -> np.ndarray:
    """Return how far each pixel moves a value, summed over colours: float32 of shape (n, height, width)."""
    slopes = network.gradients(pixels, of, [INPUT], targets=targets, scores=False)[INPUT]
    return np.abs(pixel_gradients(slopes, network.std)).sum(axis=3).astype(np.float32)


def decoded(task: FieldTask, views: np.ndarray) -> dict[int, np.ndarray]:
    """Decode views that the forward pass had, each once."""
    distinct = np.unique(views).tolist()
    found = chosen_views(task.plan, task.model, distinct)
    for view, reason in zip(distinct, found.reasons, strict=True):
        if reason:
            raise RunError(f"view {view} was decoded before and cannot be now: {reason}")
    return dict(zip(distinct, found.pixels, strict=True))


__all__ = ["AtMaximum", "OfActive", "batched", "decoded", "magnitudes"]
