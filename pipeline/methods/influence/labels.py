"""Which views train the head and which test it, and what the data set says they are of."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.outputs.truth import stated_labels
from filterscope.pipeline.run.plan import Plan

TRAIN, TEST, NEITHER = 0, 1, -1


@dataclass(frozen=True)
class Labels:
    """Labels and roles of all views of a run.

    Attributes
    ----------
    names : list of str
        Labels, sorted.
    label : int64 ndarray of shape (views,)
        Index into `names`; -1 where the data set states none, or more than one.
    role : int64 ndarray of shape (views,)
        `TRAIN`, `TEST`, or `NEITHER` where there is no label or more views than are asked for.
    order : int64 ndarray of shape (views,)
        Place of each view in a random order that follows from the data set alone; fewer are among more.
    """

    names: list[str]
    label: np.ndarray
    role: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, plan: Plan) -> "Labels":
        """Read the labels, and split each class by images or their groups."""
        asked, (names, of_image) = plan.of(InfluenceOptions), stated_labels(plan)
        label = of_image[plan.views.image]
        order = _placed("views", plan.data_identity, len(label))
        role = _split(label, plan.views.group, asked.test, plan.data_identity)
        for one in (TRAIN, TEST):
            views = np.flatnonzero(role == one)
            role[views[np.argsort(order[views])][asked.train :]] = NEITHER
        return cls(names, label, role, order)

    def tests(self, most: int | None) -> np.ndarray:
        """Return which views are test views, or the first `most` of these by `order`: bool of shape (views,)."""
        views = np.flatnonzero(self.role == TEST)
        return np.isin(np.arange(len(self.role)), views[np.argsort(self.order[views])][:most])


def _placed(what: str, identity: str, count: int) -> np.ndarray:
    return np.argsort(np.random.default_rng(seed_of("influence", what, identity)).permutation(count))


def _split(label: np.ndarray, group: np.ndarray, share: float, identity: str) -> np.ndarray:
    """Return the role of each view: a share of the groups of each class tests, at least one of two; a group has one class."""
    role = np.where(label >= 0, TRAIN, NEITHER)
    known = np.flatnonzero(label >= 0)
    groups, first = np.unique(group[known], return_index=True)
    of_class, place = label[known][first], _placed("split", identity, int(group.max()) + 1)[groups]
    for one in np.unique(of_class):
        mine = groups[of_class == one]
        count = min(max(round(share * len(mine)), 1), len(mine) - 1)
        chosen = mine[np.argsort(place[of_class == one])][:count]
        role[np.isin(group, chosen) & (label >= 0)] = TEST
    return role


__all__ = ["NEITHER", "TEST", "TRAIN", "Labels"]
