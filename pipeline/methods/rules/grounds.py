"""What the rules of a run are grounded in: probabilities, concepts and stated labels of every view that a network saw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.rules.formula import Atom, truth
from filterscope.operators.statistics.permutation import Strata
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.outputs.truth import stated_labels as values_of_images
from filterscope.pipeline.methods.rules.asked import (
    concept_values,
    names_in,
    outputs_named,
    rules_asked,
    stated_labels,
    true_class,
)
from filterscope.pipeline.methods.rules.options import RulesOptions
from filterscope.pipeline.methods.rules.scores import read_scores
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.run.rule_file import Rule


@dataclass(frozen=True)
class Grounds:
    """The n views of a model, L labels and C concepts of the rules.

    Attributes
    ----------
    rules : list of Rule
        The rules.
    labels, concepts : list of str
        Names.
    outputs : list of int
        Index of the output of each label.
    views, group : int64 ndarray of shape (n,)
        Number and group of each view.
    logs : dict of ndarray
        Logarithms of probabilities, as of `scores.logarithms`.
    shown : float64 ndarray of shape (n, C)
        1 where the image shows a concept, 0 where it does not, NaN where that is not known.
    stated : float64 ndarray of shape (n, L)
        The same of the labels, as the data set states them.
    true : int64 ndarray of shape (n,)
        True class of each view among the outputs; -1 where it is not known.
    stratum : int64 ndarray of shape (n,)
        Views of different strata do not change places.
    seed : str
        What draws depend on: the identity of the data set.
    """

    rules: list[Rule]
    labels: list[str]
    concepts: list[str]
    outputs: list[int]
    views: np.ndarray
    group: np.ndarray
    logs: dict[str, np.ndarray]
    shown: np.ndarray
    stated: np.ndarray
    true: np.ndarray
    stratum: np.ndarray
    seed: str

    def values(self, labels: np.ndarray, shown: np.ndarray) -> dict[Atom, np.ndarray]:
        """Return the truth of all atoms, from that of labels (..., L) and of concepts (..., C)."""
        found = {Atom("label", name): labels[..., k] for k, name in enumerate(self.labels)}
        return found | {Atom("concept", name): shown[..., k] for k, name in enumerate(self.concepts)}

    def answered(self) -> dict[Atom, np.ndarray]:
        """Return the truth of all atoms on every view with the labels as the network gives them."""
        return self.values(np.exp(self.logs["yes"].astype(np.float64)), self.shown)

    def sources(self, rows: np.ndarray, kinds: np.ndarray, draws: int) -> Iterator[np.ndarray]:
        """Yield, for each permutation of some rows, whose place among them each one takes: int64 of shape (len(rows),).

        Groups change places as wholes, within strata and, together, within rows of equal `kinds`, bool of shape (len(rows), k).
        """
        strata = np.unique(self.stratum[rows], return_inverse=True)[1]
        apart = np.concatenate([strata[:, None] == np.arange(strata.max(initial=0) + 1), kinds], axis=1)
        places = Strata(np.arange(len(rows)), self.group[rows], apart)
        for draw in range(draws):
            yield places.permuted(seed_of(self.seed, "rules", draw))


def grounds(plan: Plan, model: str) -> Grounds:
    """Read what the rules of a run are grounded in, for one of its models."""
    rules, logs = rules_asked(plan), read_scores(plan, model)
    names, views = logs.pop("names").tolist(), logs.pop("views")
    labels, concepts = names_in(rules, "label"), names_in(rules, "concept")
    outputs, strata = outputs_named(rules, names, model), plan.of(RulesOptions).strata
    images = plan.views.image[views]
    return Grounds(
        rules, labels, concepts, outputs, views, plan.views.group[views].astype(np.int64), logs,
        _known(concept_values(Dataset(plan.data), concepts)[images]),
        _known(stated_labels(plan, names, labels, outputs)[views]),
        true_class(plan, names)[views],
        np.zeros(len(views), np.int64) if strata is None else values_of_images(plan, strata)[1][images],
        plan.data_identity,
    )  # fmt: skip


def _known(values: np.ndarray) -> np.ndarray:
    return np.where(values < 0, np.nan, values.astype(np.float64))


def sides(rule: Rule, values: Mapping[Atom, np.ndarray], count: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the truth of antecedent and consequent of a rule on `count` views; None and its own if it is no implication.

    Both are NaN where anything that the rule names is not known.
    """
    formula = rule.formula
    whole = np.broadcast_to(truth(formula, values), count)
    if formula.operator != "implies":
        return None, whole
    one, other = (np.broadcast_to(truth(part, values), count) for part in formula.parts)
    return np.where(np.isnan(whole), np.nan, one), np.where(np.isnan(whole), np.nan, other)


__all__ = ["Grounds", "grounds", "sides"]
