"""Maps and gradients pooled over positions on the device: what methods that need no places read, without storing maps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.models.gradients import Scalar, record, slopes_of, tapped_for, values_of
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import padded_batches, prepare


@dataclass(frozen=True)
class PooledMaps:
    """A layer on n images.

    Attributes
    ----------
    maps, slopes : float32 ndarray of shape (n, C)
        Sums over positions of the maps, and of the gradient with respect to them.
    linear : float32 ndarray of shape (n,)
        Sum of gradient times map over units and positions.
    peak : int64 ndarray of shape (n, C)
        Position at which each map is largest, row-major, the first of equal ones; -1 where the map is constant.
    value : float32 ndarray of shape (n,)
        What was differentiated.
    """

    maps: np.ndarray
    slopes: np.ndarray
    linear: np.ndarray
    peak: np.ndarray
    value: np.ndarray


def pooled_gradients(network: Network, pixels: np.ndarray, of: Scalar, at: Sequence[str]) -> dict[str, PooledMaps]:
    """Return layers and the gradients of one value per image with respect to them, pooled.

    Parameters
    ----------
    network : Network
        The network.
    pixels : uint8 ndarray of shape (n, height, width, 3)
        Decoded images, at least one.
    of : callable
        As of `Network.gradients`; receives the class scores.
    at : sequence of str
        Layers.

    Raises
    ------
    InputError
        If a layer has no influence on the value, or `of` is not one value per image.
    """
    taps, parts = tapped_for(network.taps, at), dict[str, list[PooledMaps]]()
    for rows, padded in padded_batches(pixels, network.batch_size):
        batch = prepare(padded, network.mean, network.std, network.device)
        for layer, found in _pooled(taps, batch, of, at, rows.stop - rows.start).items():
            parts.setdefault(layer, []).append(found)
    return {layer: _joined(found) for layer, found in parts.items()}


@torch.inference_mode(False)
@torch.enable_grad()
def _pooled(taps: Taps, batch: Tensor, of: Scalar, at: Sequence[str], count: int) -> dict[str, PooledMaps]:
    scores, values, raw = record(taps, batch, at, whole=True)
    value = values_of(of, scores, values, count, None)
    slopes = slopes_of(value, raw, at)
    found = {}
    for name, slope in zip(at, slopes, strict=True):
        maps, gradient = (taps.units(name, part)[:count].detach().float().flatten(2) for part in (raw[name], slope))
        constant = maps.amax(2) == maps.amin(2)
        peak = torch.where(constant, -1, maps.argmax(2))
        parts = maps.sum(2), gradient.sum(2), (maps * gradient).sum((1, 2)), peak, value.detach().float()
        found[name] = PooledMaps(*(part.cpu().numpy() for part in parts))
    return found


def _joined(parts: Sequence[PooledMaps]) -> PooledMaps:
    return PooledMaps(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(PooledMaps)))


__all__ = ["PooledMaps", "pooled_gradients"]
