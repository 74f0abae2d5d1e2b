"""The views of a critical class: predicted as it, with confidence."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from filterscope.operators.blind_spots.discovery import UNKNOWN
from filterscope.pipeline.methods.blind_spots.options import BlindSpotsOptions
from filterscope.pipeline.methods.outputs.targets import PREDICTED, candidates
from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.tables import read_table

#: Confident views of a class that is looked at though it was not named.
FEWEST_VIEWS = 100
_COLUMNS = ("view", "class", "probability", "rank", "true")


@dataclass(frozen=True)
class Critical:
    """The n views of a critical class, in order of their numbers.

    Attributes
    ----------
    name : str
        Its index, or the indices taken together.
    view : int64 ndarray of shape (n,)
        Views.
    predicted : int64 ndarray of shape (n,)
        Predicted class of each.
    confidence : float64 ndarray of shape (n,)
        Probability of that class.
    true : int64 ndarray of shape (n,)
        True class on file, -1 where there is none.
    """

    name: str
    view: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    true: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        """Whether each is predicted wrongly by the true classes on file, int8; -1 where there is none."""
        return np.where(self.true < 0, UNKNOWN, self.true != self.predicted).astype(np.int8)

    def only(self, name: str, chosen: np.ndarray) -> "Critical":
        """Return some of the views under another name."""
        return Critical(name, self.view[chosen], self.predicted[chosen], self.confidence[chosen], self.true[chosen])


def critical_classes(plan: Plan, model: PlannedModel) -> Iterator[Critical]:
    """Yield the critical classes of a model that have confident views, in order of their indices."""
    asked = plan.of(BlindSpotsOptions)
    found = _predictions(plan, model)
    found = found.only("", found.confidence > asked.confidence)
    if asked.critical != PREDICTED:
        largest = int(found.predicted.max(initial=0))
        own = found.only(asked.critical, np.isin(found.predicted, _named(asked.critical, largest)))
        yield from [own] if len(own.view) else []
        return
    classes, views = np.unique(found.predicted, return_counts=True)
    enough = classes[views >= FEWEST_VIEWS]
    for index in enough if len(enough) else classes[np.argsort(-views, kind="stable")[:1]]:
        yield found.only(str(index), found.predicted == index)


def _named(target: str, largest: int) -> np.ndarray:
    return candidates(target, largest + 1)


def _predictions(plan: Plan, model: PlannedModel) -> Critical:
    """Read the predicted class of every view that has scores."""
    parts = [
        read_table(plan.run, "outputs", (model.name, block), stage="outputs", columns=_COLUMNS)
        for block, _, _ in view_blocks(plan)
    ]
    rows = pa.concat_tables(parts)
    view, index, probability, rank, true = (rows[name].to_numpy() for name in _COLUMNS)
    known = np.full(plan.view_count, -1)
    known[view[true]] = index[true]
    best = rank == 0
    chosen = view[best].astype(np.int64)
    return Critical("", chosen, index[best].astype(np.int64), probability[best].astype(np.float64), known[chosen])


__all__ = ["FEWEST_VIEWS", "Critical", "critical_classes"]
