"""Makes images whose activations are those of a view, and measures how close they come."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.visualization.inversion import others, relative_errors
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.attribution.controls import randomised
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.extraction.networks import HeldNetworks
from filterscope.pipeline.methods.inversion.asked import POOL, InversionTask
from filterscope.pipeline.methods.inversion.options import InversionOptions
from filterscope.pipeline.methods.pictures import png
from filterscope.pipeline.methods.tasks import chosen_views
from filterscope.pipeline.models.gradients import INPUT, tapped_for
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.rectifiers import revive
from filterscope.pipeline.models.straight import bounded, pixels_of
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Images of a pass on a CPU.
BATCH = 4
#: Deviation of the noise that images are made from, in deviations of the data.
NOISE = 0.1
#: Deviations of the data that pixels stay within.
REACH = 2.0
#: Power of pixels that holds them there.
POWER = 6
#: Side of a view in a picture.
SIDE = 128


@dataclass(frozen=True)
class Likeness:
    """What an image made anew raises: minus its error in a layer, and minus how rough and how far out of range it is.

    Attributes
    ----------
    layer : str
        The layer.
    targets : Tensor of shape (n, C, h, w)
        What it says of the views.
    smoothness, range : float
        Weights of the mean squared difference of neighbours, of rows and of columns together, and of the mean of
        (x / `REACH`) ^ `POWER`, for pixels x in deviations from the mean colour.
    """

    layer: str
    targets: Tensor
    smoothness: float
    range: float

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return one value per image."""
        lengths = self.targets.square().flatten(1).sum(1)
        lengths = torch.where(lengths > 0, lengths, torch.ones_like(lengths))
        errors = (taps[self.layer] - self.targets).square().flatten(1).sum(1) / lengths
        x = taps[INPUT]
        rough = x.diff(dim=2).square().flatten(1).mean(1) + x.diff(dim=3).square().flatten(1).mean(1)
        far = (x / REACH).pow(POWER).flatten(1).mean(1)
        return revive(-(errors + self.smoothness * rough + self.range * far))


class Inverter:
    """Called once for each layer of a network; holds the networks it used last."""

    def __init__(self) -> None:
        self._networks = HeldNetworks()
        self._twin: tuple[str, Network] | None = None

    def __call__(self, task: InversionTask) -> list[Output]:
        """Make views anew from a layer and write its part of `inversions`."""
        asked, network = task.plan.of(InversionOptions), self._network(task)
        drawn, pool = (_drawn(task, count) for count in (asked.views, POOL))
        chosen = drawn if task.network == "trained" else drawn[: asked.controls]
        rows = _rows(task, network, chosen, np.union1d(pool, drawn)) if len(chosen) else []
        content = pa.Table.from_pylist(rows, schema=TABLES["inversions"])
        count, digest = write_table(task.plan.run, "inversions", task.key.place, [content])
        return [Output(task.key, count, checksums={"inversions": digest})]

    def _network(self, task: InversionTask) -> Network:
        layers = (task.layer.name,)
        if task.network == "trained":
            found = self._networks.network(task.plan, task.model, layers)
        else:
            if self._twin is None or self._twin[0] != task.model.name:
                self._twin = task.model.name, randomised(task.plan, task.model, "all", centred=True)
            found = replace(self._twin[1], taps=tapped_for(self._twin[1].taps, layers), layers=layers)
        return replace(found, batch_size=BATCH) if task.plan.options.device == "cpu" else found


def _drawn(task: InversionTask, count: int) -> np.ndarray:
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    seen = ~np.isnan(store.read_maxima(0, task.plan.view_count, slice(0, 1))[:, 0])
    return drawn_views(task.plan, count, seen)


def _rows(task: InversionTask, network: Network, chosen: np.ndarray, pool: np.ndarray) -> list[dict[str, Any]]:
    plan, layer = task.plan, task.layer.name
    decoded = chosen_views(plan, task.model, pool.tolist())
    for view, reason in zip(pool.tolist(), decoded.reasons, strict=True):
        if reason:
            raise RunError(f"view {view} was decoded before and cannot be now: {reason}")
    features, classes = network.exact(decoded.pixels)[layer], _classes(network, decoded.pixels)
    at = np.searchsorted(pool, chosen)
    begun = np.stack([_noise(task, network, view) for view in chosen.tolist()])
    made = inverted(network, layer, features[at], begun, plan.of(InversionOptions))
    noise = pixels_of(network, begun)
    again, of_noise = (network.exact(images)[layer] for images in (made, noise))
    errors, noise_errors = (relative_errors(values, features[at]) for values in (again, of_noise))
    rows = []
    for row, (view, index) in enumerate(zip(chosen.tolist(), at.tolist(), strict=True)):
        rest, pixels = others(features, classes, index), _centred(decoded.pixels, index)
        numbers = {
            "error": errors[row],
            "noise_error": noise_errors[row],
            "class_error": rest.of_class,
            "nearest_error": rest.nearest,
            "pixel_error": relative_errors(_centred(made, row, decoded.pixels[index])[None], pixels[[index]])[0],
            "nearest_pixel_error": others(pixels, classes, index).nearest,
        }
        rows.append(
            {
                "model": task.model.name, "layer": layer, "image": int(plan.views.image[view]), "view": view,
                "network": task.network, "steps": plan.of(InversionOptions).steps,
                **{name: float(value) if np.isfinite(value) else None for name, value in numbers.items()},
                "picture": png(decoded.pixels[index], made[row], side=SIDE),
            }
        )  # fmt: skip
    return rows


def inverted(
    network: Network, layer: str, targets: np.ndarray, begun: np.ndarray, asked: InversionOptions
) -> np.ndarray:
    """Return images, uint8 (n, height, width, 3), whose activations are those given, (n, C, h, w), from normalised noise."""
    found = np.empty(begun.shape, np.float32)
    for first in range(0, len(begun), network.batch_size):
        rows = slice(first, first + network.batch_size)
        own = torch.from_numpy(targets[rows].astype(np.float32)).to(network.device)
        of = Likeness(layer, own, asked.smoothness, asked.range)
        found[rows] = network.optimise(
            of, begun[rows], asked.steps, asked.step_size, transform=bounded(network), scores=False
        )[0]
    return pixels_of(network, found)


def _noise(task: InversionTask, network: Network, view: int) -> np.ndarray:
    seed = seed_of("inversion", task.plan.data_identity, view)
    shape = (network.mean.shape[1], *task.model.transform.input_size)
    return (NOISE * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def _classes(network: Network, pixels: np.ndarray) -> np.ndarray:
    """Return the classes of highest score, each image its own where the network gives none."""
    try:
        return network.scores(pixels).argmax(axis=1).astype(np.int64)
    except InputError:
        return np.arange(len(pixels), dtype=np.int64)


def _centred(pixels: np.ndarray, index: int, about: np.ndarray | None = None) -> np.ndarray:
    """Return images, or one of them, less the mean colour of one image, float64."""
    mean = (pixels[index] if about is None else about).astype(np.float64).mean(axis=(0, 1))
    return np.asarray((pixels if about is None else pixels[index]) - mean)


__all__ = ["Inverter", "Likeness", "inverted"]
