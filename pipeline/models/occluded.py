"""Occluded copies of one image, made on the device and run through a network once for all layers and units that ask."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.location.occlusion import NOWHERE, Occluders, peak_positions
from filterscope.pipeline.models.field import Field, box
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare


@dataclass(frozen=True)
class Discrepancies:
    """How far each box moves the units of one layer on one image.

    Attributes
    ----------
    position : int64 ndarray of shape (U,)
        Where each unit is maximal on the original, row-major; `NOWHERE` where its map is constant.
    drop : float32 ndarray of shape (U, B)
        Absolute difference at that position, one value a box; 0 where `NOWHERE`.
    """

    position: np.ndarray
    drop: np.ndarray


def discrepancies(
    network: Network,
    layers: Sequence[Layer],
    wanted: Mapping[str, np.ndarray],
    pixels: np.ndarray,
    fill: np.ndarray,
    occluders: Occluders,
) -> tuple[dict[str, Discrepancies], int]:
    """Occlude one image box by box.

    A box that meets no asked field is not run: it changes nothing, for the passes have one batch shape.

    Parameters
    ----------
    network : Network
        The network, with all `layers` tapped.
    layers : sequence of Layer
        Layers with units that ask.
    wanted : mapping of str to int64 ndarray
        Units of each layer.
    pixels, fill : uint8 ndarray of shape (height, width, 3)
        The image, and what a box shows in its place.
    occluders : Occluders
        The boxes.

    Returns
    -------
    dict of str to Discrepancies, int
        One entry per layer, and the copies that were run.
    """
    image, filled = (prepare(part[None], network.mean, network.std, network.device)[0] for part in (pixels, fill))
    whole = _run(network, image, filled, np.zeros((0, 2), np.int64), occluders.side)
    position, before, drop = {}, {}, {}
    needed = np.zeros(len(occluders.corners), np.bool_)
    for layer in layers:
        maps = whole[layer.name][0, wanted[layer.name]].float().cpu().numpy()
        here = position[layer.name] = peak_positions(maps)
        before[layer.name] = maps.reshape(len(maps), -1)[np.arange(len(maps)), here]
        drop[layer.name] = np.zeros((len(maps), len(needed)), np.float32)
        for place in np.unique(here[here != NOWHERE]).tolist():
            needed |= _meets(occluders, layer, place)
    for boxes in _batches(np.flatnonzero(needed), network.batch_size):
        tapped = _run(network, image, filled, occluders.corners[boxes], occluders.side)
        for layer in layers:
            name = layer.name
            after = _at(tapped[name], wanted[name], position[name])[: len(boxes)]
            drop[name][:, boxes] = np.abs(after - before[name]).T
    for name in drop:
        drop[name][position[name] == NOWHERE] = 0
    return {name: Discrepancies(position[name], drop[name]) for name in drop}, int(needed.sum())


def _meets(occluders: Occluders, layer: Layer, position: int) -> np.ndarray:
    """Tell which boxes can change a position of a layer."""
    field: Field | None = layer.field
    if field is None or field.through_global:
        return np.ones(len(occluders.corners), np.bool_)
    rows, columns = box(field, position // layer.width, position % layer.width)
    return occluders.touching(rows, columns)


def _batches(boxes: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(boxes), size):
        yield boxes[start : start + size]


@torch.inference_mode()
def _run(network: Network, image: Tensor, fill: Tensor, corners: np.ndarray, side: int) -> dict[str, Tensor]:
    """Run one batch of copies, of which those beyond the corners given are not occluded."""
    _, height, width = image.shape
    first = torch.full((network.batch_size, 2), max(height, width), device=image.device)
    first[: len(corners)] = torch.from_numpy(corners).to(image.device)
    rows, columns = (
        (torch.arange(size, device=image.device) - first[:, axis, None]).div(side, rounding_mode="floor") == 0
        for axis, size in enumerate((height, width))
    )
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return network.taps(torch.where(inside, fill, image).contiguous(memory_format=torch.channels_last))


def _at(maps: Tensor, units: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the values of units at one position each, float32 of shape (copies, U)."""
    unit, place = (torch.from_numpy(index).to(maps.device) for index in (units, position))
    return maps.flatten(2)[:, unit, place].float().cpu().numpy()


__all__ = ["Discrepancies", "discrepancies"]
