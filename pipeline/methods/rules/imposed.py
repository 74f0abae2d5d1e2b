"""What rules do to the answers of a network when they are imposed: the posterior, beside that with concepts of other images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.rules.formula import truth
from filterscope.operators.rules.posterior import bootstrap_interval, project
from filterscope.pipeline.methods.rules.grounds import Grounds
from filterscope.pipeline.run.rule_file import Rule

#: Permutations of concepts over images.
PERMUTED = 20
#: Most probabilities in memory at once.
_AT_ONCE = 1 << 22


class Imposed:
    """Rules imposed on the answers of a network.

    Parameters
    ----------
    grounds : Grounds
        Views, probabilities and concepts.
    kind : {"softmax", "sigmoid"}
        What scores mean.
    strength : float
        C.
    """

    def __init__(self, grounds: Grounds, kind: str, strength: float) -> None:
        self._grounds, self._kind, self._strength = grounds, kind, strength
        count = len(grounds.labels)
        #: Labels in each state of an image, of shape (S, L): one of them or none; with sigmoid any.
        self._states = np.concatenate([np.eye(count), np.zeros((1, count))])
        if kind == "sigmoid":
            self._states = (np.arange(2**count)[:, None] >> np.arange(count)) % 2 * 1.0

    def row(self, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return what some rules do, together, to the views whose labels are known and on which one of them has a grounding."""
        grounds = self._grounds
        grounded = np.zeros(len(grounds.views), np.bool_)
        for rule in rules:
            grounded |= ~np.isnan(truth(rule.formula, grounds.answered()))
        known = grounds.true >= 0 if self._kind == "softmax" else ~np.isnan(grounds.stated).all(axis=1)
        rows = np.flatnonzero(known & grounded)
        row: dict[str, Any] = {"strength": self._strength, "views": len(rows), "changed": 0}
        if not len(rows):
            return row
        before, after = self.answers([], rows, grounds.shown[rows]), self.answers(rules, rows, grounds.shown[rows])
        p, q = self._right(before, rows), self._right(after, rows)
        low, high = bootstrap_interval(q - p, grounds.group[rows], seed_of(grounds.seed, "rules", "posterior"))
        return {
            **row,
            "changed": int((before != after).any(axis=1).sum()),
            "accuracy_p": float(p.mean()),
            "accuracy_q": float(q.mean()),
            "difference": float((q - p).mean()),
            "low": low,
            "high": high,
            "accuracy_permuted": self._permuted(rules, rows),
        }

    def _permuted(self, rules: Sequence[Rule], rows: np.ndarray) -> float | None:
        grounds = self._grounds
        if not any(atom.kind == "concept" for rule in rules for atom in rule.formula.atoms()):
            return None
        shown = grounds.shown[rows]
        sources = grounds.sources(rows, np.isnan(shown), PERMUTED)
        found = [self._right(self.answers(rules, rows, shown[source]), rows).mean() for source in sources]
        return float(np.mean(found))

    def answers(self, rules: Sequence[Rule], rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Return what is answered on some views with rules imposed.

        Parameters
        ----------
        rules : sequence of Rule
            Without any, what the network answers.
        rows : int64 ndarray of shape (n,)
            Views, by their place in the grounds.
        shown : float64 ndarray of shape (n, C)
            Concepts of these views.

        Returns
        -------
        int64 ndarray of shape (n, 1)
            The class; of equally probable ones the first. With sigmoid of shape (n, L): 1 where a label is at least as probable
            as not.
        """
        return np.concatenate([self._answer(rules, rows[part], shown[part]) for part in self._parts(len(rows))])

    def _parts(self, count: int) -> Iterator[slice]:
        step = max(_AT_ONCE // len(self._states), 1)
        return (slice(start, start + step) for start in range(0, count, step))

    def _answer(self, rules: Sequence[Rule], rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
        values = self._grounds.values(self._states[None], shown[:, None])
        penalty = np.zeros((len(rows), len(self._states)))
        for rule in rules:
            # what is not known imposes nothing
            penalty += np.nan_to_num(self._strength * rule.weight * (1 - truth(rule.formula, values)))
        logs = {name: stored[rows].astype(np.float64) for name, stored in self._grounds.logs.items()}
        if self._kind == "sigmoid":
            marginal = project(logs["yes"] @ self._states.T + logs["no"] @ (1 - self._states).T, penalty) @ self._states
            return np.asarray(marginal >= 0.5, np.int64)
        posterior = project(np.concatenate([logs["yes"], logs["rest"][:, None]], axis=1), penalty)
        with np.errstate(invalid="ignore"):
            # of the classes that no rule names, all of which lose alike, the most probable one
            posterior[:, -1] *= np.nan_to_num(np.exp(logs["best"] - logs["rest"]))
        outputs = np.broadcast_to(np.array(self._grounds.outputs, np.int64), (len(rows), len(self._grounds.outputs)))
        classes = np.concatenate([outputs, self._grounds.logs["other"][rows][:, None]], axis=1)
        equal = posterior == posterior.max(axis=1, keepdims=True)
        return np.asarray(np.where(equal, classes, np.iinfo(np.int64).max).min(axis=1)[:, None])

    def _right(self, answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the share of the known labels of each view that an answer has right, float64 of shape (len(rows),)."""
        if self._kind == "softmax":
            return np.asarray(answers[:, 0] == self._grounds.true[rows], np.float64)
        stated = self._grounds.stated[rows]
        return np.asarray(np.nanmean(np.where(np.isnan(stated), np.nan, answers == stated), axis=1))


__all__ = ["PERMUTED", "Imposed"]
