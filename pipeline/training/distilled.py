"""Training on labels and on what rules make of the network's own answers: the distillation of Hu et al."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from filterscope.operators.rules.formula import Atom, Formula, truth
from filterscope.operators.rules.posterior import project
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.training.recipe import HELDOUT, Measure
from filterscope.pipeline.training.supervised import Supervised, batches_of, label_loss

#: A rule is broken below this truth.
BROKEN = 0.5


@dataclass(frozen=True)
class Teacher:
    """What rules on labels make of probabilities.

    Attributes
    ----------
    places : tuple of int
        Outputs that the rules name, L of them.
    states : float64 ndarray of shape (2^L, L)
        Every assignment of these labels.
    penalty : float64 ndarray of shape (2^L,)
        C times the sum over rules of weight times 1 - truth.
    formulas : tuple of Formula
        The rules.
    atoms : tuple of Atom
        The label of each place.
    """

    places: tuple[int, ...]
    states: np.ndarray
    penalty: np.ndarray
    formulas: tuple[Formula, ...]
    atoms: tuple[Atom, ...]

    @classmethod
    def of(cls, rules: Sequence[tuple[Formula, float]], names: Sequence[str], strength: float) -> "Teacher":
        """Make the teacher of rules, each with its weight, on the outputs that `names` name."""
        atoms = tuple(sorted({atom for formula, _ in rules for atom in formula.atoms()}))
        count = len(atoms)
        states = ((np.arange(2**count)[:, None] >> np.arange(count)) % 2).astype(np.float64)
        values = {atom: states[:, place] for place, atom in enumerate(atoms)}
        penalty = sum(
            (strength * weight * (1 - truth(formula, values)) for formula, weight in rules), np.zeros(2**count)
        )
        places = tuple(names.index(atom.name) for atom in atoms)
        return cls(places, states, penalty, tuple(formula for formula, _ in rules), atoms)

    def posterior(self, scores: np.ndarray) -> np.ndarray:
        """Return the probability of every label with the rules imposed, float64 of shape (n, names), from scores."""
        scores = scores.astype(np.float64)
        yes, no = -np.logaddexp(0, -scores), -np.logaddexp(0, scores)
        found, own = np.exp(yes), list(self.places)
        energies = yes[:, own] @ self.states.T + no[:, own] @ (1 - self.states).T
        found[:, own] = project(energies, self.penalty[None]) @ self.states
        return np.asarray(found)

    def truths(self, scores: np.ndarray) -> np.ndarray:
        """Return how true each rule is of each answer, float64 of shape (n, rules)."""
        p = np.exp(-np.logaddexp(0, -scores.astype(np.float64)))
        values = {atom: p[:, place] for atom, place in zip(self.atoms, self.places, strict=True)}
        return np.stack([truth(formula, values) for formula in self.formulas], axis=1)


class Distilled(Supervised):
    """A network that learns from labels and from a teacher that imposes rules on its answers of the moment.

    Parameters
    ----------
    teacher : Teacher
        The rules.
    decay : float
        The share of the teacher is 1 - decay^t after t epochs; 1 for none.
    """

    def __init__(self, *arguments: Any, teacher: Teacher, decay: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._teacher, self._decay = teacher, decay
        self._updates = batches_of(len(self.lesson.train), more["batch"])

    def share(self) -> float:
        """Return the share of the teacher now."""
        return float(1 - self._decay ** (self.step / self._updates))

    def _learned(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        scores = scores_of(self.network(images))
        loss, share = label_loss(scores, target), self.share()
        if share > 0:
            q = self._teacher.posterior(scores.detach().float().cpu().numpy())
            wanted = torch.from_numpy(q).to(scores)
            loss = (1 - share) * loss + share * functional.binary_cross_entropy_with_logits(scores, wanted)
        return scores, loss

    def _held_out(self) -> list[Measure]:
        found = super()._held_out()
        parts = [
            (target, self.shown.scores(self.network, pixels)) for pixels, target in self._tested(self.lesson.heldout)
        ]
        target, scores = (np.concatenate(one) for one in zip(*parts, strict=True))
        known = target >= 0
        p = ((scores > 0) == target)[known].mean()
        q = ((self._teacher.posterior(scores) > 0.5) == target)[known].mean()
        truths, count = self._teacher.truths(scores), len(target)
        return [
            *found,
            Measure(HELDOUT, "posterior_accuracy", float(q), float(p), examples=count),
            Measure(HELDOUT, "violations", float((truths < BROKEN).mean()), self._by_chance(scores), examples=count),
        ]

    def _by_chance(self, scores: np.ndarray) -> float:
        """Return the violations of answers whose labels are those of different images."""
        moved = np.stack([np.roll(scores[:, place], place) for place in range(scores.shape[1])], axis=1)
        return float((self._teacher.truths(moved) < BROKEN).mean())


__all__ = ["BROKEN", "Distilled", "Teacher"]
