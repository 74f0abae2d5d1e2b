"""Which views an explanatory graph is learned from, and which are held out."""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Fewer learning views than this are no base for a graph.
FEWEST_VIEWS = 10


@dataclass(frozen=True)
class GraphViews:
    """The views of one category.

    Attributes
    ----------
    category : str
        Of the objects.
    view : int64 ndarray of shape (I,)
        Numbers of the crops, ascending, flips included.
    heldout : bool ndarray of shape (I,)
        Crops of held-out images.
    flip : bool ndarray of shape (I,)
        Mirrored crops.
    negative : int64 ndarray of shape (N,)
        Numbers of the negative views; empty where there are none.
    """

    category: str
    view: np.ndarray
    heldout: np.ndarray
    flip: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, plan: Plan, category: str) -> "GraphViews":
        """Sort the views of a run; a group of images is held out whole, by the digest of its first image's number."""
        views, share = plan.views, plan.of(GraphOptions).heldout
        mine = np.flatnonzero([of_view == category for of_view in views.category])
        groups = views.group[mine].tolist()
        drawn = {n: seed_of("graph", "heldout", n) % 10**9 < share * 10**9 for n in set(groups)}
        heldout = np.array([drawn[n] for n in groups], bool)
        negative = np.flatnonzero((views.object < 0) & ~views.flip)
        return cls(category, mine, heldout, views.flip[mine], negative)

    @cached_property
    def name(self) -> str:
        """The category as part of a file's name."""
        return quote(self.category, safe="")

    def only(self, seen: np.ndarray) -> "GraphViews":
        """Return the views without those that could not be read, bool of shape (I,)."""
        return GraphViews(self.category, self.view[seen], self.heldout[seen], self.flip[seen], self.negative)

    def learning(self, mode: str) -> np.ndarray:
        """Return which views are learned from, bool of shape (I,); the released flips are no-ops, so none there."""
        return ~self.heldout & ~self.flip if mode == "release" else ~self.heldout


def graph_categories(plan: Plan) -> list[str]:
    """Return the categories of a run's crops, in order."""
    return sorted({category for category in plan.views.category if category is not None})


def graph_layers(model: PlannedModel) -> list[Layer]:
    """Return the layers of a model from the top: the largest receptive field first."""
    return sorted(model.layers, key=lambda layer: layer.field.size if layer.field else (0, 0), reverse=True)


def refuse_without_graph(plan: Plan, method: str = "graph") -> None:
    """Stop where no explanatory graph can be learned.

    Raises
    ------
    InputError
        If the views are no crops, or a category has too few of them.
    """
    if not plan.options.view_settings.of_objects:
        raise InputError(f"--methods {method} learns from object crops; add --views objects or objects:CATEGORY")
    for category in graph_categories(plan):
        views = GraphViews.of(plan, category)
        count = int(views.learning(plan.of(GraphOptions).mode).sum())
        if count < FEWEST_VIEWS:
            raise InputError(
                f"category {category!r} has {count} crops to learn a graph from, of {len(views.view)} in all; "
                f"at least {FEWEST_VIEWS} are needed: add images, or hold out fewer with --graph-heldout"
            )


__all__ = ["FEWEST_VIEWS", "GraphViews", "graph_categories", "graph_layers", "refuse_without_graph"]
