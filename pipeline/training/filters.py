"""Training of filters that each learn one part of an object, on the features of a frozen network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from filterscope.operators.interpretable.categories import NONE, filter_categories
from filterscope.operators.interpretable.mutual_information import information
from filterscope.operators.interpretable.templates import Templates, strongest
from filterscope.pipeline.datasets.layout import NEGATIVE
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.architectures.interpretable_cnn import RELEASED_WEIGHT, InterpretableCNN
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.features import Features, principal_directions, standard_scale
from filterscope.pipeline.training.lesson import CATEGORIES, Lesson, accuracies, majority
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN, Measure, Training
from filterscope.pipeline.training.supervised import label_loss
from filterscope.schemas.results import TABLES

#: The layer of the new filters, and what all objects are called where they are one category.
LAYER, OBJECT = "filters", "object"
_TESTED = 256


@dataclass(frozen=True)
class Categories:
    """What filters can stand for.

    Attributes
    ----------
    names : tuple of str
        Names of the classes, categories or attributes, but for the images without an object.
    member : bool ndarray of shape (views, names)
        What is true of each view.
    """

    names: tuple[str, ...]
    member: np.ndarray

    @classmethod
    def of(cls, lesson: Lesson) -> "Categories":
        """Return what the names of a lesson are true of."""
        kept = [place for place, name in enumerate(lesson.names) if lesson.kind != CATEGORIES or name != NEGATIVE]
        member = lesson.target == 1 if lesson.several else lesson.target[:, None] == np.arange(len(lesson.names))
        return cls(tuple(lesson.names[place] for place in kept), member[:, kept])


def single(lesson: Lesson) -> Lesson:
    """Return a lesson in which all objects are one category, against the images without any.

    Raises
    ------
    InputError
        If there are no such images.
    """
    if lesson.kind != CATEGORIES or NEGATIVE not in lesson.names:
        raise InputError(
            "--single learns objects against images of the split negative: it takes --views objects and --negatives, and a "
            "data set that has such images"
        )
    target = (lesson.target != lesson.names.index(NEGATIVE)).astype(np.int64)
    return Lesson(CATEGORIES, (NEGATIVE, OBJECT), target, lesson.train, lesson.heldout)


@dataclass(frozen=True)
class Seen:
    """What the new filters see: features on their principal directions, or as they are times a scale.

    Attributes
    ----------
    train, heldout : ndarray
        As of `Features`, float32 where they were projected.
    scale : float
        Factor of the features.
    weight, bias : float32 ndarray of shape (reduced, C) and (reduced,), or None
        The projection.
    """

    train: np.ndarray
    heldout: np.ndarray
    scale: float
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None


def seen_of(features: Features, reduced: int) -> Seen:
    """Return what filters see of features; a process keeps it for the trainings that follow."""
    key = (str(features.path), reduced)
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = _projected(features, reduced)
    return _KEPT[key]


_KEPT: dict[tuple[str, int], Seen] = {}


def _projected(features: Features, reduced: int) -> Seen:
    train, (known, _) = features.train, features.known
    rows = train[:, known].reshape(-1, *train.shape[2:])
    if not reduced:
        return Seen(train, features.heldout, standard_scale(rows))
    if reduced > rows.shape[1]:
        raise InputError(
            f"--pca {reduced}: the layer has {rows.shape[1]} channels; at most as many, or 0 for no projection"
        )
    mean, directions = principal_directions(rows, reduced)
    weight, bias = directions.astype(np.float32), (-directions @ mean).astype(np.float32)

    def project(maps: np.ndarray) -> np.ndarray:
        flat = maps.reshape(-1, *maps.shape[-3:])
        found = np.empty((len(flat), reduced, *maps.shape[-2:]), np.float32)
        for at in range(0, len(flat), _TESTED):
            values = np.tensordot(weight, flat[at : at + _TESTED].astype(np.float32), (1, 1))
            found[at : at + _TESTED] = np.moveaxis(values + bias[:, None, None, None], 1, 0)
        return found.reshape(*maps.shape[:-3], *found.shape[1:])

    return Seen(project(train), project(features.heldout), 1.0, weight, bias)


@dataclass
class _Assigned:
    """Category of each filter; a part of the state of a training."""

    category: np.ndarray

    def state_dict(self) -> dict[str, Tensor]:
        return {"category": torch.from_numpy(self.category)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.category = state["category"].numpy().copy()


class FilterTraining(Training):
    """New filters and their head learn a lesson; with a pull, each filter learns one part of its category.

    Parameters
    ----------
    network : InterpretableCNN
        Its backbone and projection are frozen.
    description : Description
        How it can be built again.
    lesson, categories : Lesson, Categories
        What is learned, and what filters can stand for.
    features, seen : Features, Seen
        What the network's layer gives for the lesson's views.
    kappa : float
        Size of the pull in the first epoch, in those of the derivative of the lesson's loss; 0 for none.
    batch, learning_rate : int, float
        Of Adam.
    flips : bool
        Whether mirror images are shown too.
    device : str
        cpu or cuda.
    located : callable
        ``located(maps, rows)`` yields tables of where filters fire, from their maps on some held-out views.
    """

    network: InterpretableCNN

    def __init__(
        self,
        network: InterpretableCNN,
        description: Description,
        lesson: Lesson,
        categories: Categories,
        features: Features,
        seen: Seen,
        *,
        kappa: float,
        batch: int,
        learning_rate: float,
        flips: bool = True,
        device: str = "cpu",
        located: Any = lambda maps, rows: iter(()),
    ) -> None:
        self.network, self._described, self.lesson, self.categories = network, description, lesson, categories
        self.features, self.seen, self._located = features, seen, located
        self._kappa, self._batch, self._flips, self._device = kappa, batch, flips, device
        self._learned = nn.ModuleDict({"filters": network.filters, "head": network.head})
        self.optimiser = torch.optim.Adam(self._learned.parameters(), learning_rate)
        self.assigned = _Assigned(np.full(network.filters.out_channels, NONE))
        self.parts = {
            "learned": self._learned,
            "mask": network.mask,
            "optimiser": self.optimiser,
            "assigned": self.assigned,
        }
        self.images, self.rejects = len(lesson.train) * (1 + flips), features.rejects

    def description(self) -> Description:
        """Return what it was given."""
        return self._described

    def epoch(self, number: int, random: np.random.Generator) -> Sequence[Measure]:
        """Show every training view once, and its mirror image, in random order, and measure."""
        if number == 0:
            self.assigned.category, _ = self._fired()
        order = self._order(random)
        losses, answers = [], []
        fired = np.zeros((len(order), len(self.assigned.category)), np.float32)
        self.network.head.train()
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            loss, scores, sums = self._update(rows, number)
            losses.append(loss * len(rows))
            answers.append(scores)
            fired[start : start + len(rows)] = sums
        views = self.lesson.train[order % len(self.lesson.train)]
        self.assigned.category, _ = filter_categories(fired, self.categories.member[views])
        mean = float(np.sum(losses)) / len(order)
        told = self._right(TRAIN, self.lesson.target[views], np.concatenate(answers))
        return [Measure(TRAIN, "loss", mean, examples=len(order)), told, *self._held_out()]

    def tables(self) -> Mapping[str, Sequence[pa.Table]]:
        """Return categories of filters and, where the data set has landmarks, where they fire."""
        category, margin = self._fired()
        name, count = self._named, len(category)
        columns = {
            "model": [name] * count,
            "layer": [LAYER] * count,
            "unit": np.arange(count, dtype=np.int32),
            "category": pa.array([self.categories.names[c] if c != NONE else None for c in category.tolist()]),
            "margin": margin,
        }
        rows = np.flatnonzero(self.features.known[1])
        maps = np.concatenate([self._maps(values) for values in self._batches(self.seen.heldout, rows)])
        found = {"filter_categories": [pa.table(columns, schema=TABLES["filter_categories"])]}
        if places := list(self._located(maps, rows)):
            found["location_instability"] = places
        return found

    @property
    def _named(self) -> str:
        return str(self._described.about["name"])

    def _order(self, random: np.random.Generator) -> np.ndarray:
        """Return training views in random order; those from their number on are mirrored."""
        known = np.flatnonzero(self.features.known[0])
        both = np.concatenate([known, known + len(self.lesson.train)]) if self._flips else known
        order = random.permutation(both)
        alone = len(order) % self._batch == 1 and len(order) > 1
        return order[: len(order) - alone]

    def _update(self, rows: np.ndarray, epoch: int) -> tuple[float, np.ndarray, np.ndarray]:
        """Take one step; return loss, scores and the sum of every map."""
        flat = self.seen.train.reshape(-1, *self.seen.train.shape[2:])
        views = self.lesson.train[rows % len(self.lesson.train)]
        own = self._own(views)
        maps = self.network.relu(self.network.filters(self._tensor(flat[rows])))
        masked: list[Tensor] = []
        scores = self.network.scores(maps, partial(self._pulled, own, epoch, masked))
        loss = label_loss(scores, torch.from_numpy(self.lesson.target[views]).to(self._device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not bool(torch.isfinite(loss)):
            raise RunError(
                f"the loss became {float(loss)} in epoch {epoch + 1}: the training diverged; a smaller --learning-rate helps"
            )
        self.optimiser.step()
        if self.network.mode == "release":
            self.network.mask.widen(masked[0], own)
        self.step += 1
        told, sums = (value.detach().float().cpu().numpy() for value in (scores, maps.sum((2, 3))))
        return float(loss.detach()), told, sums

    def _own(self, views: np.ndarray) -> np.ndarray:
        """Return whether views are of the categories of the filters; of a filter without one none is."""
        member = np.column_stack([self.categories.member[views], np.zeros(len(views), bool)])
        return member[:, self.assigned.category]

    def _pulled(self, own: np.ndarray, epoch: int, masked: list[Tensor], maps: Tensor) -> Tensor:
        masked.append(maps.detach())
        mask, ones = self.network.mask, np.ones(own.shape[1], np.float32)
        if self.network.mode == "none" or not self._kappa:
            return maps
        if self.network.mode == "paper":
            return mask.pulled(maps, own, self._kappa / (1 + epoch / 5), (ones, ones))
        # the release sums the loss over a batch and divides by its size at the end
        return mask.pulled(maps, own, RELEASED_WEIGHT / (epoch + 1) / len(own), self._shares())

    def _shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Return weights of the images of each filter's category, and of the others, as the release has them."""
        ones = np.ones(len(self.assigned.category), np.float32)
        if len(self.categories.names) == 1:
            return ones, ones
        density = self.categories.member[self.lesson.train].mean(axis=0).clip(1e-6, 1 - 1e-6)
        mine = np.append(density, 0.5)[self.assigned.category].astype(np.float32)
        return 0.5 / mine, 0.5 / (1 - mine)

    def _fired(self) -> tuple[np.ndarray, np.ndarray]:
        """Return category and margin of each filter on the training views, as it is now."""
        rows = np.flatnonzero(self.features.known[0])
        fired = [
            np.maximum(self._maps(values), 0).sum(axis=(2, 3)) for values in self._batches(self.seen.train[0], rows)
        ]
        return filter_categories(np.concatenate(fired), self.categories.member[self.lesson.train[rows]])

    def _batches(self, values: np.ndarray, rows: np.ndarray) -> Iterator[Tensor]:
        for start in range(0, len(rows), _TESTED):
            yield self._tensor(values[rows[start : start + _TESTED]])

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32) * np.float32(self.seen.scale)).to(self._device)

    def _maps(self, values: Tensor) -> np.ndarray:
        """Return the maps of the new filters before their ReLU."""
        with torch.inference_mode():
            found: np.ndarray = self.network.filters(values).cpu().numpy()
        return found

    def _held_out(self) -> list[Measure]:
        self.network.head.eval()
        rows = np.flatnonzero(self.features.known[1])
        views, scores, told = self.lesson.heldout[rows], [], []
        for start, values in zip(range(0, len(rows), _TESTED), self._batches(self.seen.heldout, rows), strict=True):
            with torch.inference_mode():
                maps = self.network.relu(self.network.filters(values))
                scores.append(self.network.scores(maps).float().cpu().numpy())
            told.append(self._information(maps.cpu().numpy(), views[start : start + _TESTED]))
        answer, target = np.concatenate(scores), self.lesson.target[views]
        loss = float(label_loss(torch.from_numpy(answer).double(), torch.from_numpy(target)))
        count = len(views)
        return [
            Measure(HELDOUT, "loss", loss, examples=count),
            self._right(HELDOUT, target, answer),
            Measure(HELDOUT, "information", float(np.mean(told)), examples=count),
        ]

    def _information(self, maps: np.ndarray, views: np.ndarray) -> np.ndarray:
        return information(maps, strongest(maps), self._own(views), _templates(*maps.shape[2:]))

    def _right(self, split: str, target: np.ndarray, scores: np.ndarray) -> Measure:
        """Return the accuracy beside that of the constant answer; of attributes their mean."""
        answer = (scores > 0).astype(np.int64) if self.lesson.several else scores.argmax(axis=1)
        value, count = accuracies(target, answer)
        control, _ = accuracies(target, majority(self.lesson.target, self.lesson.train))
        known = count > 0
        return Measure(
            split, "accuracy", float(value[known].mean()), float(control[known].mean()), examples=len(target)
        )


@lru_cache(maxsize=4)
def _templates(height: int, width: int) -> Templates:
    return Templates.of(height, width)


__all__ = ["LAYER", "OBJECT", "Categories", "FilterTraining", "Seen", "seen_of", "single"]
