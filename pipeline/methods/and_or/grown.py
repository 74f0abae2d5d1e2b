"""The part graph that a person's answers grow, and what it asks next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filterscope.operators.and_or.inquiry import Answer, Inquiry
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.and_or.options import AndOrOptions
from filterscope.pipeline.methods.and_or.person import ABSENT, NEW, About, Told
from filterscope.pipeline.methods.and_or.units import read_responses
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.run.plan import Plan, PlannedModel


@dataclass(frozen=True)
class Pool:
    """Crops that a person may be asked about: those learned from, not mirrored, a random choice of them if they are many.

    Attributes
    ----------
    parts : PartViews
        All crops of the category that could be read.
    rows : int64 ndarray
        Those of the pool, ascending.
    chance : float64 ndarray
        The place of each in a random order.
    """

    parts: PartViews
    rows: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, about: About, told: Sequence[Told]) -> "Pool":
        """Draw the pool; what was answered is part of it, however large it is allowed to be."""
        parts = PartViews.of(plan, model, about.category, about.part, extracted=True)
        every = np.flatnonzero(~parts.views.heldout & ~parts.views.flip)
        bits = np.random.PCG64(seed_of("and-or", "ask", about.category, about.part)).random_raw(len(parts.image))[every]
        place = np.argsort(np.argsort(bits, kind="stable"), kind="stable")
        answered = np.isin(parts.views.view[every], [one.view for one in told])
        inside = (place < plan.of(AndOrOptions).pool) | answered
        return cls(parts, every[inside], place[inside].astype(np.float64))

    @property
    def views(self) -> np.ndarray:
        """Numbers of the views."""
        return self.parts.views.view[self.rows]


@dataclass
class Grown:
    """An inquiry about some crops of a run, by the numbers of their views.

    Attributes
    ----------
    inquiry : Inquiry
        Its views are places among `view`.
    view : int64 ndarray
        Numbers of the crops that responses were read of, ascending.
    held : int64 ndarray
        Places of the held-out crops on which the part is looked for.
    told : sequence of Told
        What it has taken.
    """

    inquiry: Inquiry
    view: np.ndarray
    held: np.ndarray
    told: Sequence[Told]

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, about: About, pool: Pool, *, heldout: bool) -> "Grown":
        """Read responses of a pool, and of held-out crops too if the part is to be looked for there."""
        parts, held = pool.parts, pool.parts.heldout if heldout else np.empty(0, np.int64)
        rows = np.union1d(pool.rows, held)
        views = parts.views.only(np.isin(np.arange(len(parts.image)), rows))
        layers = [read_responses(plan, model, model.layer(name), views) for name in about.layers.split(",")]
        extent = model.geometry(plan.options.geometry).size
        inquiry = Inquiry(layers, extent, np.searchsorted(rows, pool.rows))
        return cls(inquiry, views.view, np.searchsorted(rows, held), [])

    def again(self) -> "Grown":
        """Return one that has taken nothing."""
        fresh = Inquiry(self.inquiry.layers, self.inquiry.extent, self.inquiry.pool)
        return Grown(fresh, self.view, self.held, [])

    def take(self, told: Told) -> None:
        """Take an answer of a person.

        Raises
        ------
        ValueError
            If it fits none of what was taken before.
        """
        self.inquiry.take(Answer(int(np.searchsorted(self.view, told.view)), told.said, self._number(told), told.part))  # type: ignore[arg-type]
        self.told = [*self.told, told]

    def _number(self, told: Told) -> int:
        names = self.names
        if told.said == ABSENT:
            return -1
        if told.said == NEW:
            return len(names)
        if told.template not in names:
            raise ValueError(f"no template began with view {told.template}")
        return names.index(told.template)

    @property
    def names(self) -> list[int]:
        """The view that each template began with."""
        return [one.view for one in self.told if one.said == NEW]

    def sizes(self, number: int) -> np.ndarray:
        """Return mean height and width of the boxes that a template was grown from; NaN where there are none."""
        first, own = self.names[number], []
        for one in self.told:
            marked = one.said in (NEW, "place", "other") and (one.view if one.said == NEW else one.template) == first
            if marked and one.box and one.box[2] is not None:
                own.append(one.box[2:])
        return np.mean(np.array(own, np.float64), axis=0) if own else np.full(2, np.nan)


__all__ = ["Grown", "Pool"]
