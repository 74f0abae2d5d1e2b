"""Inverters at work: what a layer of a frozen network gives, and a network that learns to make the images again of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.upconvolution.measures import distances, pair_distance
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.architectures.inverter import Inverter
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.names import NETWORKS
from filterscope.pipeline.models.network import settle_batch_norm
from filterscope.pipeline.models.probe import chosen
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import channels_last, normalisation, padded_batches, prepare
from filterscope.pipeline.models.trained import Description, read_description
from filterscope.pipeline.training.features import Features
from filterscope.pipeline.training.images import Images
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN, Measure, Training
from filterscope.pipeline.views.views import ViewSettings, open_views

#: What is inverted: the network as it is, and the same with random weights, as the control.
TRAINED, UNTRAINED = "inverter", "untrained"
_PASS = 64
#: Pairs of images, at most, of which the unit of errors is the mean distance.
_PAIRS = 2000


@dataclass(frozen=True)
class Split:
    """Views that inverters learn from and those held out, int64, ascending; see `features.features_of`."""

    train: np.ndarray
    heldout: np.ndarray


def split_of(folder: Path, identity: str, settings: ViewSettings, share: float) -> Split:
    """Split the views of a data set, those of a group together; drawn by the identity of the data set alone.

    Raises
    ------
    InputError
        If there are fewer than two groups on a side.
    """
    views = open_views(folder, identity, settings)
    groups = np.unique(views.group)
    count = min(max(round(share * len(groups)), 2), len(groups) - 2)
    if count < 2:
        raise InputError(
            f"{folder} has {len(groups)} images, or groups of them; an inverter needs two to learn from and two held out"
        )
    order = np.random.default_rng(seed_of("held out of inversion", identity)).permutation(groups)
    held = np.isin(views.group, order[:count])
    return Split(np.flatnonzero(~held), np.flatnonzero(held))


def untrained(spec: ModelSpec) -> ModelSpec:
    """Return the same network with random weights; of one that is random already, with others."""
    seed = 0 if spec.seed is None else spec.seed + 1
    return replace(
        spec, source=f"{spec.scheme}:{spec.architecture}@random:{seed}", name="", state_key=None, prefix=None
    )


class Frozen:
    """A layer of a network that is no longer trained.

    Parameters
    ----------
    spec : ModelSpec
        The network.
    layer : str
        The layer.
    device : str
        cpu or cuda.
    first_views : iterable of uint8 ndarray of shape (height, width, 3)
        Images of the data set in their order, for the batch norm of random weights.
    """

    def __init__(
        self,
        spec: ModelSpec,
        layer: str,
        device: str = "cpu",
        first_views: Iterable[np.ndarray] = (),
        factory: Any = None,
    ) -> None:
        model = open_model(spec, factory)
        settle_batch_norm(model, first_views)
        (found,) = chosen(model, (layer,))
        self.transform, self.layer, self._device = model.transform, layer, device
        module = channels_last(model.module, device)
        self._taps = Taps(module, (layer,), rotation=spec.rotation, layouts={layer: found.layout})
        self._mean, self._std = normalisation(model, device)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 features (n, C, h, w) of images, uint8 or float32 from 0 to 255, of shape (n, height, width, 3)."""
        found = []
        for rows, padded in padded_batches(pixels, _PASS):
            with torch.inference_mode():
                maps = self._taps(prepare(padded, self._mean, self._std, self._device))[self.layer]
            found.append(maps[: rows.stop - rows.start].float().cpu().numpy())
        return np.concatenate(found)


def first_images(images: Images, count: int) -> Iterator[np.ndarray]:
    """Yield the views of a data set in their order, without those that cannot be decoded."""
    for start in range(0, count, _PASS):
        pixels, good = images.take(np.arange(start, min(start + _PASS, count)))
        yield from pixels[good]


def targets(pixels: np.ndarray, colours: int, device: str = "cpu") -> Tensor:
    """Return images (uint8, shape (n, height, width, 3)) from 0 to 1, as (n, colours, height, width); one colour is grey."""
    zero = torch.zeros(1, colours, 1, 1, device=device)
    return prepare(pixels, zero, zero + 255, device)


def pictures(network: Inverter, features: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Return what an inverter makes of features (n, C, h, w): float32 of shape (n, height, width, 3) from 0 to 1."""
    found = []
    for rows, padded in padded_batches(np.asarray(features, np.float32), _PASS):
        with torch.inference_mode():
            made = network(torch.from_numpy(padded).to(device))[: rows.stop - rows.start].clamp(0, 1)
        found.append(made.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy())
    return np.ascontiguousarray(np.concatenate(found), np.float32)


class Inverting(Training):
    """An inverter before its first epoch.

    Parameters
    ----------
    network : Inverter
        What learns; its statistics are set here.
    description : Description
        How it is built again.
    features : Features
        Of the views of the split.
    split : Split
        The views.
    images : Images
        What is to be made again.
    batch : int
        Images of an update.
    learning_rate : float
        Of Adam, the largest: one cycle over all updates.
    epochs : int
        Of the whole training, which the cycle spans.
    device : str
        cpu or cuda.
    """

    network: Inverter

    def __init__(
        self,
        network: Inverter,
        description: Description,
        features: Features,
        split: Split,
        images: Images,
        *,
        batch: int,
        learning_rate: float,
        epochs: int,
        device: str = "cpu",
    ) -> None:
        self.network, self._described, self._features, self._views = network, description, features, images
        self._rows, self._batch, self._device = split, batch, device
        self._known = [np.flatnonzero(known) for known in features.known]
        self.images, self.rejects = len(self._known[0]), features.rejects
        self._colours = len(network.mean_image)
        self._settle()
        network.to(device)
        self._optimiser = torch.optim.Adam(network.parameters(), learning_rate)
        updates = epochs * -(-self.images // batch)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimiser, learning_rate, total_steps=updates + 1)
        self.parts = {"network": network, "optimiser": self._optimiser, "schedule": self._schedule}

    def description(self) -> Description:
        """Return how the network is built again."""
        return self._described

    @torch.no_grad()
    def _settle(self) -> None:
        """Take mean and deviation of the features, the mean image and the unit of errors from the training images."""
        maps, (rows, _) = self._features.train[0], self._known
        sums = np.zeros(2)
        for start in range(0, len(rows), _PASS):
            some = maps[rows[start : start + _PASS]].astype(np.float64)
            sums += some.sum(), np.square(some).sum()
        count = len(rows) * maps[0].size
        mean = sums[0] / count
        deviation = float(np.sqrt(max(sums[1] / count - mean**2, 0)))
        if deviation == 0:
            raise RunError(
                f"{self._described.about['layer']} gives one value for all images; there is nothing to invert"
            )
        self.network.centre.fill_(mean)
        self.network.deviation.fill_(deviation)
        total = torch.zeros_like(self.network.mean_image, dtype=torch.float64)
        for start in range(0, len(rows), _PASS):
            total += targets(self._taken(0, rows[start : start + _PASS]), self._colours).double().sum(0)
        self.network.mean_image.copy_(total / len(rows))
        paired = self._taken(0, rows[:_PAIRS])
        shown = targets(paired, self._colours).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
        distance = pair_distance(shown, seed_of("pairs of inversion"))
        if distance == 0:
            raise RunError("all training images are the same; there is nothing to learn")
        self.network.distance.fill_(distance)

    def _taken(self, side: int, places: np.ndarray) -> np.ndarray:
        return self._views.take((self._rows.train, self._rows.heldout)[side][places])[0]

    def epoch(self, number: int, random: np.random.Generator) -> Sequence[Measure]:
        """Show every training view once, in random order, and measure."""
        self.network.train()
        order, losses = self._known[0][random.permutation(len(self._known[0]))], []
        for start in range(0, len(order), self._batch):
            places = order[start : start + self._batch]
            maps = torch.from_numpy(self._features.train[0][places].astype(np.float32)).to(self._device)
            target = targets(self._taken(0, places), self._colours, self._device)
            loss = (self.network(maps) - target).square().mean()
            if not bool(torch.isfinite(loss)):
                raise RunError(
                    f"the loss became {float(loss)} in epoch {number + 1}: the training diverged; a smaller "
                    "--learning-rate helps"
                )
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
            self._schedule.step()
            self.step += 1
            losses.append(float(loss.detach()) * len(places))
        mean = float(np.sum(losses) / len(order))
        return [Measure(TRAIN, "loss", mean, examples=len(order)), self._measured()]

    def _measured(self) -> Measure:
        """Return the normalised error on held-out images, beside that of the mean image."""
        self.network.eval()
        mean = self.network.mean_image.cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()
        errors = []
        for start in range(0, len(self._known[1]), _PASS):
            places = self._known[1][start : start + _PASS]
            shown = targets(self._taken(1, places), self._colours).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
            made = pictures(self.network, self._features.heldout[places], self._device)
            errors.append([distances(shown, made), distances(shown, mean[None])])
        own, other = (
            float(np.concatenate(some).mean()) / float(self.network.distance) for some in zip(*errors, strict=True)
        )
        return Measure(HELDOUT, "error", own, other, examples=len(self._known[1]))


@dataclass(frozen=True)
class Found:
    """The checkpoint of an inverter, and what it says of itself."""

    file: Path
    description: Description

    @property
    def about(self) -> Mapping[str, Any]:
        """Layer, weights of its network, data set, share held out and views."""
        return self.description.about


def inverters_in(run: Path) -> list[Found]:
    """Return the inverters that a folder of trainings holds, by name.

    Raises
    ------
    InputError
        If a checkpoint is damaged.
    """
    found = [Found(file, read_description(file)) for file in sorted((run / NETWORKS).glob("*.safetensors"))]
    return [one for one in found if one.description.architecture == "inverter"]


def inverter_of(found: Sequence[Found], weights_sha256: str, layer: str, kind: str = TRAINED) -> Found | None:
    """Return the inverter of a layer of a network, that of the smallest seed; None if there is none."""
    own = [
        one
        for one in found
        if (one.about.get("weights"), one.about.get("layer"), one.about.get("kind")) == (weights_sha256, layer, kind)
    ]
    return min(own, key=lambda one: int(one.about["seed"]), default=None)


def opened(found: Found, device: str = "cpu") -> Inverter:
    """Open an inverter.

    Raises
    ------
    InputError
        If its checkpoint is damaged.
    """
    from filterscope.pipeline.models.trained import build, read_network

    description, state = read_network(found.file)
    network = build(description, found.file)
    network.load_state_dict(state)
    assert isinstance(network, Inverter)
    return network.to(device).eval().requires_grad_(False)


def check_images(dataset: Dataset, settings: ViewSettings, share: float) -> None:
    """Refuse a data set with too few images."""
    split_of(dataset.folder, dataset.identity, settings, share)


__all__ = [
    "TRAINED",
    "UNTRAINED",
    "Found",
    "Frozen",
    "Inverting",
    "Split",
    "check_images",
    "first_images",
    "inverter_of",
    "inverters_in",
    "opened",
    "pictures",
    "split_of",
    "targets",
    "untrained",
]
