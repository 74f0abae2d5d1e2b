"""Makes the pictures of a block of units, and measures how strongly the units answer to them and to their controls."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.visualization.spectrum import scrambled, start
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.visualization.asked import PictureTask
from filterscope.pipeline.methods.visualization.options import VisualizationOptions
from filterscope.pipeline.methods.visualization.painting import Canvas
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.rectifiers import revive
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Pictures of a pass, at most.
BATCH = {"cpu": 8, "cuda": 64}
_READ_VIEWS = 4096


@dataclass(frozen=True)
class Raised:
    """What is raised: of each picture one unit's activation in shares of its maximum, less how alike a unit's pictures are.

    Attributes
    ----------
    layer : str
        The layer.
    units : int64 Tensor of shape (n,)
        Unit of each picture; those of one unit follow each other.
    scale : Tensor of shape (n,)
        Its maximum on the data, 1 where that is not above 0.
    pictures : int
        Pictures of each unit.
    centre : bool
        Whether the middle position counts, not the mean over the map.
    diversity : float
        Weight of the likeness.
    """

    layer: str
    units: Tensor
    scale: Tensor
    pictures: int
    centre: bool
    diversity: float

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return one value per picture."""
        maps = taps[self.layer]
        own = maps[torch.arange(len(maps), device=maps.device), self.units]
        value = own[:, own.shape[1] // 2, own.shape[2] // 2] if self.centre else own.mean((1, 2))
        value = value / self.scale
        if self.diversity and self.pictures > 1:
            value = value - self.diversity * likeness(maps, self.pictures)
        return revive(value)


def likeness(maps: Tensor, pictures: int) -> Tensor:
    """Return the mean cosine of each picture's Gram matrix and those of the other pictures of its unit.

    Parameters
    ----------
    maps : Tensor of shape (units * pictures, C, h, w)
        A layer on the pictures.
    pictures : int
        Pictures of a unit, at least two.

    Returns
    -------
    Tensor of shape (units * pictures,)
        0 where the layer is 0.
    """
    flat = maps.flatten(2)
    gram = (flat @ flat.transpose(1, 2)).flatten(1)
    gram = gram / gram.norm(dim=1, keepdim=True).clamp(min=1e-12)
    by_unit = gram.view(-1, pictures, gram.shape[1])
    cosines = by_unit @ by_unit.transpose(1, 2)
    own = torch.diagonal(cosines, dim1=1, dim2=2)
    return ((cosines.sum(2) - own) / (pictures - 1)).flatten()


class Synthesiser:
    """Called once for each block of units; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: PictureTask) -> list[Output]:
        """Make the pictures of a block and write its part of `visualizations`."""
        asked, device = task.plan.of(VisualizationOptions), task.plan.options.device
        network = self._networks.network(task.plan, task.model, (task.layer.name,))
        together = max(BATCH[device] // asked.pictures, 1)
        network = replace(network, batch_size=together * asked.pictures)
        maxima = dataset_maxima(task)
        parts = []
        for first in range(0, len(task.units), together):
            units = np.array(task.units[first : first + together])
            parts.append(_table(task, network, units, maxima[first : first + together]))
        count, digest = write_table(task.plan.run, "visualizations", task.key.place, parts)
        return [Output(task.key, count, checksums={"visualizations": digest})]


def dataset_maxima(task: PictureTask) -> np.ndarray:
    """Return the largest activation of the task's units on any view, float64, NaN where no view was decoded."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    found = np.full(len(task.units), np.nan)
    for first in range(0, task.plan.view_count, _READ_VIEWS):
        maxima = store.read_maxima(first, min(first + _READ_VIEWS, task.plan.view_count), slice(None))
        found = np.fmax(found, np.fmax.reduce(maxima[:, list(task.units)].astype(np.float64), axis=0))
    return found / task.plan.options.activation_scale


def _table(task: PictureTask, network: Network, units: np.ndarray, maxima: np.ndarray) -> pa.Table:
    """Make and measure the pictures of units that enter the network together."""
    asked, layer = task.plan.of(VisualizationOptions), task.layer.name
    canvas = Canvas.of(network, task.model.transform.input_size)
    own, numbers = np.repeat(units, asked.pictures), np.tile(np.arange(asked.pictures), len(units))
    seeds = [
        seed_of("visualization", asked.seed, task.model.weights_sha256, layer, unit, number)
        for unit, number in zip(own.tolist(), numbers.tolist(), strict=True)
    ]
    begun = np.stack([start(seed, canvas.colours, *canvas.size) for seed in seeds])
    spectra = _raised(network, canvas, asked, layer, begun, own, np.repeat(maxima, asked.pictures))
    turned = np.stack([scrambled(one, seed + 1) for one, seed in zip(spectra, seeds, strict=True)])
    kept = canvas.kept(spectra)
    maps = network.exact(kept)[layer]
    reached, noise, without = (
        here[np.arange(len(own)), own].max(axis=(1, 2)).astype(np.float64)
        for here in (maps, *(network.exact(canvas.kept(control))[layer] for control in (begun, turned)))
    )
    maximum = np.repeat(maxima, asked.pictures)
    ratios = [np.where(maximum > 0, value, np.nan) / maximum for value in (reached, noise, without)]
    columns: dict[str, Any] = {
        "model": [task.model.name] * len(own),
        "layer": [layer] * len(own),
        "unit": own,
        "number": numbers,
        "objective": [asked.objective] * len(own),
        "steps": [asked.steps] * len(own),
        "activation": reached,
        "dataset_maximum": maximum,
        **dict(zip(("ratio", "noise_ratio", "scrambled_ratio"), ratios, strict=True)),
        "likeness": _likeness(maps, asked.pictures),
        "picture": [_png(picture) for picture in kept],
    }
    schema = TABLES["visualizations"]
    return pa.Table.from_arrays(
        [pa.array(columns[field.name], field.type, from_pandas=field.nullable) for field in schema], schema=schema
    )


def _raised(
    network: Network,
    canvas: Canvas,
    asked: VisualizationOptions,
    layer: str,
    begun: np.ndarray,
    units: np.ndarray,
    maxima: np.ndarray,
) -> np.ndarray:
    """Return the coefficients of pictures that raise units, a picture each, in shares of their maxima on the data."""
    scale = np.where(maxima > 0, maxima, 1.0).astype(np.float32)
    raised = Raised(
        layer,
        torch.from_numpy(units).to(network.device),
        torch.from_numpy(scale).to(network.device),
        asked.pictures,
        asked.objective == "centre",
        asked.diversity,
    )
    spectra, _ = network.optimise(
        raised,
        begun,
        asked.steps,
        asked.step_size,
        transform=canvas.moved if asked.moved else canvas.shown,
        seed=asked.seed,
        scores=False,
    )
    return spectra


def _likeness(maps: np.ndarray, pictures: int) -> np.ndarray:
    """Return `likeness` as float64, NaN where a unit has one picture, or one that leaves the layer at 0."""
    if pictures == 1:
        return np.full(len(maps), np.nan)
    lit = np.all(np.any(maps.reshape(len(maps) // pictures, pictures, -1), axis=2), axis=1)
    return np.where(lit.repeat(pictures), likeness(torch.from_numpy(maps), pictures).double().numpy(), np.nan)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


__all__ = ["BATCH", "Raised", "Synthesiser", "dataset_maxima", "likeness"]
