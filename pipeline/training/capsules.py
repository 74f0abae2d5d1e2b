"""Training of capsules: margins and reconstruction, and what routing selects on images held out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.capsules.agreement import Selection, selection, top_type
from filterscope.pipeline.models.architectures.capsules import CapsNet, lengths
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN, Measure
from filterscope.pipeline.training.supervised import Supervised

#: Lengths that the capsule of the true class should exceed, and others stay below; weight of the latter.
PRESENT, ABSENT, DOWN = 0.9, 0.1, 0.5


def margin_loss(scores: Tensor, target: Tensor) -> Tensor:
    """Return the margin loss of each image, as the paper states it: shape (n,).

    Parameters
    ----------
    scores : Tensor of shape (n, classes)
        Lengths of the capsules.
    target : Tensor of shape (n,)
        The true classes.
    """
    there = torch.nn.functional.one_hot(target, scores.shape[1])
    missed, raised = (PRESENT - scores).clamp(min=0).square(), (scores - ABSENT).clamp(min=0).square()
    return (there * missed + DOWN * (1 - there) * raised).sum(dim=1)


class Capsules(Supervised):
    """A capsule network that learns classes and, if asked, to draw what it saw.

    Parameters
    ----------
    network, description, lesson, images, optimiser, schedule, batch, device
        As of `Supervised`.
    shift : int
        Pixels that training images are shifted by, at most.
    margin, reconstruction : float
        Weights of the margin loss and of the squared error summed over the pixels of a decoded image.
    """

    network: CapsNet

    def __init__(
        self, network: CapsNet, *given: Any, shift: int, margin: float, reconstruction: float, **named: Any
    ) -> None:
        super().__init__(network, *given, flips=False, **named)
        self._shift, self._margin, self._weight = shift, margin, reconstruction
        self._errors: list[Tensor] = []

    def epoch(self, number: int, random: np.random.Generator) -> Sequence[Measure]:
        """Show every training view once, in random order, shifted, and measure."""
        self._errors = []
        found = list(super().epoch(number, random))
        if self._weight:
            errors = torch.cat(self._errors).double()
            found.insert(2, Measure(TRAIN, "reconstruction", float(errors.mean()), examples=len(errors)))
        return found

    def _varied(self, pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return shifted(pixels, random.integers(-self._shift, self._shift, (len(pixels), 2), endpoint=True))

    def _learned(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        capsules = self.network.codes(images)
        loss, errors = self._losses(capsules, images, target)
        self._errors.append(errors.detach())
        return lengths(capsules), loss.mean()

    def _losses(self, capsules: Tensor, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return of each image the loss, and the mean squared error of its pixels when the true capsule is decoded."""
        margin = self._margin * margin_loss(lengths(capsules), target)
        if not self._weight:
            return margin, torch.zeros_like(margin)
        decoded = self.network.decode(capsules[torch.arange(len(target)), target], target)
        squares = (decoded - images).square().flatten(1)
        return margin + self._weight * squares.sum(dim=1), squares.mean(dim=1)

    def _held_out(self) -> list[Measure]:
        """Measure as for labels, and reconstruction and routing, in one pass."""
        found: list[tuple[np.ndarray, ...]] = []
        routing: list[Selection] = []
        total = squares = torch.zeros((), dtype=torch.float64, device=self.shown.device)
        for pixels, target in self._tested(self.lesson.heldout):
            with torch.inference_mode():
                images, truth = self.shown.batch(pixels), torch.from_numpy(target).to(self.shown.device)
                routed = self.network.route(images)
                told = lengths(routed.capsules), *self._losses(routed.capsules, images, truth)
                total, squares = total + images.double().sum(dim=0), squares + images.double().square().sum(dim=0)
            votes, coupling, capsules = (
                part.cpu().numpy() for part in (routed.votes, routed.coupling, routed.capsules)
            )
            routing.append(selection(votes, coupling, capsules, target, self.network.types))
            found.append((target, *(part.cpu().numpy() for part in told)))
        target, answer, loss, error = (np.concatenate(part) for part in zip(*found, strict=True))
        measures = [Measure(HELDOUT, "loss", float(loss.mean(dtype=np.float64)), examples=len(target))]
        measures += self._right(HELDOUT, target, answer)
        if self._weight:
            constant = float((squares / len(target) - (total / len(target)) ** 2).mean())
            mean = float(error.mean(dtype=np.float64))
            measures.append(Measure(HELDOUT, "reconstruction", mean, constant, examples=len(target)))
        merged = Selection(*(np.concatenate(part) for part in zip(*routing, strict=True)))
        return measures + routing_measures(merged, target, self.lesson.names)


def shifted(pixels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return images moved by whole pixels, what comes in being black.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, 3)
        The images.
    offsets : int64 ndarray of shape (n, 2)
        Down and to the right, less than the size of an image.
    """
    reach = int(np.abs(offsets).max(initial=0))
    height, width = pixels.shape[1:3]
    wide = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    rows = reach - offsets[:, :1] + np.arange(height)
    columns = reach - offsets[:, 1:] + np.arange(width)
    return np.asarray(wide[np.arange(len(pixels))[:, None, None], rows[:, :, None], columns[:, None, :]])


def routing_measures(found: Selection, target: np.ndarray, names: Sequence[str]) -> list[Measure]:
    """Return what routing selects on held-out images: of each class, and first the mean of the classes.

    `agreement` stands beside that with the coupling of other classes, `agreement of others` is that of the capsules of
    other classes, `entropy` is 1 where coupling is uniform, and `top type` is the largest share of a type of primary
    capsules in the coupling of a class, beside its share in that of the others.
    """
    rows: dict[str, list[tuple[str, float, float | None, int]]] = {}
    for number, name in enumerate(names):
        mine = target == number
        if not mine.any():
            continue
        _, share, of_others = top_type(found.shares[mine], number)
        told = {
            "agreement": (found.agreement[mine].mean(), found.permuted[mine].mean()),
            "agreement of others": (found.other[mine].mean(), None),
            "entropy": (found.entropy[mine].mean(), 1.0),
            "top type": (share, of_others),
        }
        for metric, (value, control) in told.items():
            row = name, float(value), None if control is None else float(control), int(mine.sum())
            rows.setdefault(metric, []).append(row)
    measures = []
    for metric, labels in rows.items():
        controls = [control for _, _, control, _ in labels if control is not None]
        mean = float(np.mean([value for _, value, _, _ in labels]))
        control = float(np.mean(controls)) if controls else None
        measures.append(Measure(HELDOUT, metric, mean, control, examples=len(target)))
        measures += [Measure(HELDOUT, metric, value, other, name, n) for name, value, other, n in labels]
    return measures


__all__ = ["ABSENT", "DOWN", "PRESENT", "Capsules", "margin_loss", "routing_measures", "shifted"]
