"""Training on labels: passes over decoded views in random batches, and what the network answers on those held out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.images import Images
from filterscope.pipeline.training.lesson import Lesson, accuracies, majority
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN, Measure, Training
from filterscope.pipeline.training.team import ALONE, Team
from filterscope.pipeline.views.transform import Transform

#: Images of a pass that learns nothing.
_TESTED = 256
#: Images that a worker must be shown at once: batch norm takes no single value.
_LEAST = 2
#: Share of images that may be unreadable.
_MOST_BAD = 0.01

#: ``loss(scores, target, network)`` of a batch; targets are those of the lesson.
Loss = Callable[[Tensor, Tensor, nn.Module], Tensor]


def label_loss(scores: Tensor, target: Tensor, network: nn.Module | None = None) -> Tensor:
    """Return the mean cross-entropy of classes, or of binary attributes where they are known.

    Parameters
    ----------
    scores : Tensor of shape (n, names)
        What the network says.
    target : Tensor of shape (n,) or (n, names)
        Truth, as in `Lesson`.
    """
    if target.ndim == 1:
        return functional.cross_entropy(scores, target.long())
    known = target >= 0
    each = functional.binary_cross_entropy_with_logits(scores, target.clamp(min=0).to(scores.dtype), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


@dataclass(frozen=True)
class Pass:
    """How a network is shown images.

    Attributes
    ----------
    transform : Transform
        Its preprocessing.
    device : str
        cpu or cuda.
    """

    transform: Transform
    device: str

    def batch(self, pixels: np.ndarray) -> Tensor:
        """Return images (uint8, shape (n, height, width, 3)) as the network's input (n, channels, height, width)."""
        from filterscope.pipeline.models.tensors import prepare

        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=self.device).view(1, -1, 1, 1) * 255.0
            for values in (self.transform.mean, self.transform.std)
        )
        return prepare(pixels, mean, std, self.device)

    def scores(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Return what a network answers on images without learning: float32 of shape (n, names)."""
        was = network.training
        network.eval()
        try:
            with torch.inference_mode():
                found = [
                    scores_of(network(self.batch(pixels[start : start + _TESTED]))).float().cpu().numpy()
                    for start in range(0, len(pixels), _TESTED)
                ]
        finally:
            network.train(was)
        return np.concatenate(found)


@dataclass(frozen=True)
class _Batch:
    """A worker's share of a batch.

    Attributes
    ----------
    pixels : uint8 ndarray of shape (n, height, width, 3)
        Images that could be decoded.
    target : ndarray of shape (n, ...)
        What is true of them.
    scale : float
        Of the share's mean loss: the mean over workers of what is scaled is the mean loss of the whole batch.
    told : int
        How many of them this worker tells of: n, or 0 where another tells of the same.
    """

    pixels: np.ndarray
    target: np.ndarray
    scale: float
    told: int


class Supervised(Training):
    """A network that learns what a lesson says, with one optimiser and one schedule.

    Parameters
    ----------
    network : nn.Module
        Its scores have the names of the lesson.
    description : Description
        How it can be built again.
    lesson : Lesson
        What it learns.
    images : Images
        What it sees.
    optimiser : torch.optim.Optimizer
        Of its parameters.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every update.
    batch : int
        Images of an update.
    flips : bool
        Whether half of the images of an epoch are mirrored.
    device : str
        cpu or cuda.
    loss : callable
        Of a batch.
    """

    def __init__(
        self,
        network: nn.Module,
        description: Description,
        lesson: Lesson,
        images: Images,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
        *,
        batch: int,
        flips: bool = True,
        device: str = "cpu",
        loss: Loss = label_loss,
    ) -> None:
        self.network, self._described, self.lesson, self._views = network, description, lesson, images
        self.optimiser, self.schedule = optimiser, schedule
        self.parts = {"network": network, "optimiser": optimiser} | ({"schedule": schedule} if schedule else {})
        self.images = len(lesson.train)
        self._batch, self._flips, self._loss = batch, flips, loss
        self.shown = Pass(description.transform, device)
        self._team, self._learner = ALONE, network

    def join(self, team: Team) -> None:
        """Train on a share of each batch, with the gradients of all: their mean, weighted by what is known of each share."""
        self._team, self._learner = team, team.parallel(self.network)

    def description(self) -> Description:
        """Return what it was given."""
        return self._described

    def epoch(self, number: int, random: np.random.Generator) -> Sequence[Measure]:
        """Show every training view once, in random order, and measure."""
        self.network.train()
        losses, answers, targets = [], [], []
        for batch in self._batches(random):
            target = torch.from_numpy(batch.target).to(self.shown.device)
            scores, loss = self._learned(self.shown.batch(batch.pixels), target)
            loss = loss * batch.scale
            self._update(loss, number)
            losses.append(loss.detach())
            answers.append(scores.detach()[: batch.told].float().cpu().numpy())
            targets.append(batch.target[: batch.told])
        self._team.settle(self.network)
        self._refuse_bad()
        means = np.mean(self._team.joined(torch.stack(losses).double().cpu().numpy()), axis=0)
        each = self._team.joined([len(target) for target in targets])
        sizes = np.sum(each, axis=0)
        mean, told = float(np.average(means, weights=sizes)), self._told(targets, answers)
        return [Measure(TRAIN, "loss", mean, examples=int(sizes.sum())), *self._right(TRAIN, *told), *self._held_out()]

    def _learned(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores of a batch of training images, and the loss; a recipe may learn from more than scores."""
        scores = scores_of(self._learner(images))
        return scores, self._loss(scores, target, self.network)

    def _varied(self, pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return the images of a batch as they are learned from; a recipe may change them at random."""
        return pixels

    def _batches(self, random: np.random.Generator) -> "Iterator[_Batch]":
        """Yield this worker's share of each batch; all workers yield equally often."""
        order = self.lesson.train[random.permutation(len(self.lesson.train))]
        mirrored = random.random(len(order)) < 0.5 if self._flips else np.zeros(len(order), bool)
        for start in batch_starts(len(order), self._batch):
            rows, flip = order[start : start + self._batch], mirrored[start : start + self._batch]
            share, tells = self._team.share(len(rows), _LEAST)
            rows, flip = rows[share], flip[share]
            pixels, good = self._views.take(rows)
            pixels[flip] = pixels[flip][:, :, ::-1]
            target = self.lesson.target[rows[good]]
            weight = float(len(target) if target.ndim == 1 else (target >= 0).sum())
            total, enough = self._team.summed([weight, float(good.sum() >= _LEAST)], self.shown.device)
            if enough == self._team.size:
                scale = weight / total * self._team.size if total else 1.0
                yield _Batch(self._varied(pixels[good], random), target, scale, len(target) if tells else 0)

    def _update(self, loss: Tensor, epoch: int) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not bool(torch.isfinite(loss)):
            raise RunError(
                f"the loss became {float(loss)} in epoch {epoch + 1}: the training diverged; a smaller --learning-rate helps"
            )
        self.optimiser.step()
        if self.schedule is not None:
            self.schedule.step()
        self.step += 1

    def _tested(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield images and targets of held-out views."""
        for start in range(0, len(rows), _TESTED):
            here = rows[start : start + _TESTED]
            pixels, good = self._views.take(here)
            if good.any():
                yield pixels[good], self.lesson.target[here[good]]
        self._refuse_bad()

    def _held_out(self) -> list[Measure]:
        share, tells = self._team.share(len(self.lesson.heldout))
        tested = self._tested(self.lesson.heldout[share])
        parts = [(target, self.shown.scores(self.network, pixels)) for pixels, target in tested]
        targets, scores = [list(one) for one in zip(*parts, strict=True)] if parts and tells else ([], [])
        target, answer = self._told(targets, scores)
        loss = float(label_loss(torch.from_numpy(answer).double(), torch.from_numpy(target)))
        return [Measure(HELDOUT, "loss", loss, examples=len(target)), *self._right(HELDOUT, target, answer)]

    def _told(self, targets: list[np.ndarray], answers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return truth and answers of all workers, those of a worker one after the other."""
        parts = self._team.joined((targets, answers))
        return tuple(np.concatenate([one for part in parts for one in part[kind]]) for kind in (0, 1))  # type: ignore[return-value]

    def _right(self, split: str, target: np.ndarray, scores: np.ndarray) -> list[Measure]:
        """Return accuracies beside those of the constant answer; of attributes their mean, and of held-out views each."""
        answer = (scores > 0).astype(np.int64) if self.lesson.several else scores.argmax(axis=1)
        constant = majority(self.lesson.target, self.lesson.train)
        (value, count), (control, _) = accuracies(target, answer), accuracies(target, constant)
        known = count > 0
        means = float(value[known].mean()), float(control[known].mean())
        found = [Measure(split, "accuracy", *means, examples=len(target))]
        if self.lesson.several and split == HELDOUT:
            rows = zip(self.lesson.names, value.tolist(), control.tolist(), count.tolist(), strict=True)
            found += [Measure(split, "accuracy", one, other, name, n) for name, one, other, n in rows if n]
        return found

    def _refuse_bad(self) -> None:
        self.rejects = {file: why for one in self._team.joined(self._views.rejects) for file, why in one.items()}
        if len(self.rejects) > _MOST_BAD * (len(self.lesson.train) + len(self.lesson.heldout)):
            file, reason = next(iter(self.rejects.items()))
            raise RunError(
                f"{len(self.rejects)} images could not be decoded, more than {_MOST_BAD:.0%} of them; the first, "
                f"{file}: {reason}"
            )


def batch_starts(count: int, size: int) -> range:
    """Return where batches begin; a last one of a single image, which batch norm cannot take, is left out."""
    return range(0, count - (count % size == 1 and count > 1), size)


def batches_of(count: int, size: int) -> int:
    """Return how many updates an epoch makes, for schedules."""
    return len(batch_starts(count, size))


__all__ = ["Loss", "Pass", "Supervised", "batches_of", "label_loss"]
