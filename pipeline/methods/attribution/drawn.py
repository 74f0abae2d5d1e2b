"""Views of a run that stand for all: some to learn from, some on which controls are measured."""

from collections.abc import Iterator

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.decode import decode_views

#: Views from which methods that learn something of a network learn it.
LEARNED = 256
_AT_ONCE = 32


def drawn_views(plan: Plan, count: int | None, among: np.ndarray | None = None) -> np.ndarray:
    """Return some views of a run, drawn by the identity of its data, or all of them.

    Parameters
    ----------
    plan : Plan
        The run.
    count : int, optional
        How many, at most; fewer are among more.
    among : bool ndarray of shape (views,), optional
        Views that may be drawn; by default all.

    Returns
    -------
    int64 ndarray
        Views, ascending.
    """
    order = np.random.default_rng(seed_of("attribution", plan.data_identity)).permutation(plan.view_count)
    return np.sort((order if among is None else order[among[order]])[:count])


def learned_from(plan: Plan, model: PlannedModel) -> Iterator[np.ndarray]:
    """Decode the views that methods may learn from, some at a time, without those that cannot be decoded."""
    chosen = drawn_views(plan, LEARNED).tolist()
    for first in range(0, len(chosen), _AT_ONCE):
        here = chosen[first : first + _AT_ONCE]
        decoded = decode_views(Dataset(plan.data), plan.views, here, model.geometry(plan.options.geometry))
        yield decoded.pixels[[not reason for reason in decoded.reasons]]


__all__ = ["LEARNED", "drawn_views", "learned_from"]
