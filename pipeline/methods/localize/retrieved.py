"""Nodes that templates of annotated crops retrieve for a part: what a person looks at, and finding the part with fewer."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.localization.pruning import without
from filterscope.operators.localization.templates import Found, Template, locate, mix_templates, retrieve
from filterscope.pipeline.methods.graph.crops import graph_layers
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.part_views import PartViews, read_found
from filterscope.pipeline.methods.graph.rows import read_nodes
from filterscope.pipeline.methods.localize.asked import refuse_few
from filterscope.pipeline.methods.localize.edits import Asked
from filterscope.pipeline.methods.localize.options import MOST
from filterscope.pipeline.methods.localize.trial import NODE_SHARPNESS, annotated
from filterscope.pipeline.run.plan import Plan, PlannedModel


@dataclass(frozen=True)
class Retrieved:
    """Templates of the annotated crops of one question.

    Attributes
    ----------
    asked : Asked
        The question.
    parts : PartViews
        The part on the crops.
    found : Found
        What all N nodes find there.
    names : list of str
        LAYER/UNIT/NODE of each.
    extent : (int, int)
        Height and width of the network input.
    annotated : int64 ndarray of shape (shots,)
        Rows of the annotated crops: those of one draw of `localize`.
    templates : list of (int, Template)
        Of the annotated crops and their mirror images, each after the annotated crop that it is made of.
    """

    asked: Asked
    parts: PartViews
    found: Found
    names: list[str]
    extent: tuple[int, int]
    annotated: np.ndarray
    templates: list[tuple[int, Template]]

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, asked: Asked) -> "Retrieved":
        """Retrieve the nodes of a question.

        Raises
        ------
        InputError
            If too few images show the part.
        """
        parts = PartViews.of(plan, model, asked.category, asked.part, extracted=True)
        refuse_few(parts, asked.shots)
        layers = [layer for layer in graph_layers(model) if layer.name in asked.layers.split(",")]
        position, score = read_found(plan, model, layers, parts.views)
        found = Found.of(position, score, parts.views.learning(plan.of(GraphOptions).mode))
        names = []
        for layer in layers:
            nodes = read_nodes(plan.run, model.name, layer.name, parts.views.name)
            pairs = nodes.select(["unit", "node"]).to_pylist()
            names += [f"{layer.name}/{pair['unit']}/{pair['node']}" for pair in pairs]
        rows = annotated(parts, asked.shots, asked.draw)
        extent, count = model.geometry(plan.options.geometry).size, min(max(1, round(asked.share * len(names))), MOST)
        templates = []
        for row in rows.tolist():
            for template in (row, int(parts.mirror[row])):
                if template >= 0:
                    made = retrieve(found, template, parts.centre[template], count, float(max(extent)))
                    templates.append((row, made))
        return cls(asked, parts, found, names, extent, rows, templates)

    @property
    def nodes(self) -> np.ndarray:
        """Nodes of all templates, int64 of shape (K,): those of most templates first."""
        nodes, templates = np.unique(np.concatenate([one.nodes for _, one in self.templates]), return_counts=True)
        return nodes[np.argsort(-templates, kind="stable")]

    def locate(self, views: np.ndarray, removed: np.ndarray) -> np.ndarray:
        """Return where the templates without `removed` nodes, bool of shape (N,), put the part: float64 of (views, 2)."""
        return self._mixed([one for _, one in self.templates], views, removed)

    def locate_annotated(self, removed: np.ndarray) -> np.ndarray:
        """Return where the templates of the other annotated crops put the part on each: float64 of shape (shots, 2).

        NaN where there are no others.
        """
        places = []
        for row in self.annotated.tolist():
            others = [one for of, one in self.templates if of != row]
            places.append(self._mixed(others, np.array([row]), removed)[0] if others else np.full(2, np.nan))
        return np.stack(places)

    def _mixed(self, templates: list[Template], views: np.ndarray, removed: np.ndarray) -> np.ndarray:
        answers = [locate(without(one, removed), self.found, views, self.extent) for one in templates]
        places, scores = (np.stack(column) for column in zip(*answers, strict=True))
        return mix_templates(places, scores, NODE_SHARPNESS)[0]


__all__ = ["Retrieved"]
