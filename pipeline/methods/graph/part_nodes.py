"""Stage `part-nodes`: groups of nodes that find a landmark, chosen on crops that the graph was learned from.

They are measured on held-out crops. Beside them stands what needs no graph: filters chosen alike, the patch most like an
annotated one, the mean position.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from filterscope.operators.localization.groups import Group, choose_group, pointed_at, score_weights
from filterscope.operators.localization.measures import image_means, interval, normalised_distance
from filterscope.operators.localization.patches import nearest_patch
from filterscope.operators.localization.templates import best_template, mix_templates
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.crops import GraphViews, graph_categories, graph_layers
from filterscope.pipeline.methods.graph.learn import NODE_POSITIONS, NODES
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.part_views import (
    PartViews,
    landmarks_of,
    lattice_of,
    read_features,
    read_found,
    read_maxima,
    read_peaks,
)
from filterscope.pipeline.methods.graph.rows import read_nodes
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Nodes and filters of a group, annotated crops of the baseline of patches, and the sharpness with which these are mixed.
NODES_OF_GROUP, FILTERS_OF_GROUP, PATCHES, SHARPNESS = 20, 10, 100, 10.0
#: Learning images that show a landmark, under which no group is chosen.
FEWEST_IMAGES = 8
#: Methods, baselines first.
BASELINES = ("mean position", "nearest patch", "nearest patch mixed", "filters", "filters, median")
NODE_GROUP = "nodes"


@dataclass(frozen=True)
class PartNodesTask(ModelTask):
    """The graph of one category through one model."""

    category: str


def plan_part_nodes(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model and category."""
    tasks = dict[Key, PartNodesTask]()
    for model, own in each_model(plan):
        for category in graph_categories(plan):
            key = key_of(kind, (model.name, GraphViews.of(plan, category).name), model, prints)
            tasks[key] = PartNodesTask(key, own, model, category)
    return one(kind, tasks, find_part_nodes)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, object]:
    """Return what groups depend on beside the graph."""
    return {"nodes": NODES_OF_GROUP, "filters": FILTERS_OF_GROUP, "patches": PATCHES, "sharpness": SHARPNESS}


def find_part_nodes(task: PartNodesTask) -> list[Output]:
    """Choose and measure the groups of every landmark of a category."""
    tables: dict[str, list[pa.Table]] = {"part_groups": [], "part_nodes": []}
    for landmark in landmarks_of(task.plan, task.model, task.category):
        parts = PartViews.of(task.plan, task.model, task.category, landmark, extracted=True)
        trial = _Trial(task, parts)
        if trial.measurable:
            groups, members = trial.rows()
            for name, rows in (("part_groups", groups), ("part_nodes", members)):
                tables[name].append(pa.Table.from_pylist(rows, schema=TABLES[name]))
    count, checksums = 0, {}
    for name, pieces in tables.items():
        rows, checksums[name] = write_table(task.plan.run, name, task.key.place, pieces or [TABLES[name].empty_table()])
        count += rows
    return [Output(task.key, count, checksums=checksums)]


class _Trial:
    """One landmark on the crops of a category."""

    def __init__(self, task: PartNodesTask, parts: PartViews) -> None:
        self.task, self.parts = task, parts
        seen = ~np.isnan(parts.centre[:, 0])
        self.learning = np.flatnonzero(seen & parts.views.learning(task.plan.of(GraphOptions).mode))
        self.extent = task.model.geometry(task.plan.options.geometry).size
        self.layers = graph_layers(task.model)
        self.usual = parts.centre[self.learning].mean(axis=0) if len(self.learning) else np.zeros(2)

    @property
    def measurable(self) -> bool:
        """Whether enough images show the landmark."""
        return len(np.unique(self.parts.image[self.learning])) >= FEWEST_IMAGES and len(self.parts.heldout) > 0

    def rows(self) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """Return the rows of `part_groups` and of `part_nodes`."""
        plan, model, views = self.task.plan, self.task.model, self.parts.views
        position, score = read_found(plan, model, self.layers, views)
        nodes, from_nodes, members = self._group(NODE_GROUP, position, score, NODES_OF_GROUP)
        del position, score
        peaks, maxima = read_peaks(plan, model, self.layers, views), read_maxima(plan, model, self.layers, views)
        filters, from_filters, others = self._group("filters", peaks, maxima, FILTERS_OF_GROUP)
        patch, mixed = self._patches()
        held = self.parts.heldout
        found = {
            "mean position": (None, np.broadcast_to(self.usual, (len(held), 2))),
            "nearest patch": (None, patch),
            "nearest patch mixed": (None, mixed),
            "filters": (filters, from_filters[0]),
            "filters, median": (filters, _median(from_filters[1], self.usual)),
            NODE_GROUP: (nodes, from_nodes[0]),
        }
        return list(self._measured(found)), [*members, *others]

    def _group(
        self, method: str, position: np.ndarray, score: np.ndarray, count: int
    ) -> tuple[Group, tuple[np.ndarray, np.ndarray], list[dict[str, object]]]:
        """Choose a group on learning crops; return where it and its members point on held-out ones, and its rows."""
        weight, held = score_weights(score, self.learning), self.parts.heldout
        rows, part = self.learning, self.parts.centre
        group = choose_group(position[rows], weight[rows], part[rows], self.parts.image[rows], count)
        pointed = pointed_at(group, position[held], weight[held], self.usual)
        distance = normalised_distance(pointed[1], part[held][:, None], self.extent)
        counts = np.where(np.isnan(distance), 0.0, weight[held][:, group.members])
        total = counts.sum(axis=0)
        heldout = (counts * np.nan_to_num(distance)).sum(axis=0) / np.where(total > 0, total, np.nan)
        names = self._names(nodes=method == NODE_GROUP)
        members = [
            {
                **self._key(method),
                "rank": rank,
                **dict(zip(("layer", "unit", "node"), names[member], strict=True)),
                "offset_y": group.offset[rank, 0],
                "offset_x": group.offset[rank, 1],
                "displacement": group.deviation[rank] / math.hypot(*self.extent),
                "effective_images": group.images[rank],
                "heldout_distance": None if math.isnan(heldout[rank]) else heldout[rank],
            }
            for rank, member in enumerate(group.members.tolist())
        ]
        return group, pointed, members

    def _names(self, *, nodes: bool) -> list[tuple[str, int, int | None]]:
        """Return layer, filter and node of all nodes, or of all filters, in the order in which they are read."""
        run, model, category = self.task.plan.run, self.task.model.name, self.parts.views.name
        found: list[tuple[str, int, int | None]] = []
        for layer in self.layers:
            if nodes:
                rows = read_nodes(run, model, layer.name, category)
                pairs = zip(rows["unit"].to_pylist(), rows["node"].to_pylist(), strict=True)
                found += [(layer.name, unit, node) for unit, node in pairs]
            else:
                found += [(layer.name, unit, None) for unit in range(layer.channels)]
        return found

    def _patches(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where the most similar of the annotated patches puts the part, and the mean of all, by similarity."""
        parts, top = self.parts, self.layers[0]
        features, lattice = read_features(self.task.plan, self.task.model, top, parts.views), lattice_of(top)
        bits = np.random.PCG64(seed_of("part-nodes", parts.views.category, parts.part))
        order = np.argsort(bits.random_raw(len(parts.annotatable)), kind="stable")[:PATCHES]
        places, scores = [], []
        for row in parts.annotatable[np.sort(order)]:
            centre, shape = parts.centre[row], (top.height, top.width)
            first, left, rows, columns = lattice.window(centre, parts.size[row], shape)
            patch = features[row, first : first + rows, left : left + columns]
            place, similarity = nearest_patch(patch, features[parts.heldout])
            moved = centre - lattice.middle(np.asarray(first), np.asarray(left), rows, columns)
            places.append(lattice.middle(place[:, 0], place[:, 1], rows, columns) + moved)
            scores.append(similarity)
        each, similar = np.stack(places), np.stack(scores)
        return best_template(each, similar)[0], mix_templates(each, similar, SHARPNESS)[0]

    def _key(self, method: str) -> dict[str, object]:
        category, part = self.parts.views.category, self.parts.part
        return {"model": self.task.model.name, "category": category, "landmark": part, "method": method}

    def _measured(self, found: dict[str, tuple[Group | None, np.ndarray]]) -> Iterator[dict[str, object]]:
        """Yield the rows of `part_groups`, each with its interval, and for nodes what they save over the best baseline."""
        held = self.parts.heldout
        images, seed = self.parts.image[held], seed_of("part-nodes", self.parts.views.category, self.parts.part)
        apart = {
            name: normalised_distance(place, self.parts.centre[held], self.extent) for name, (_, place) in found.items()
        }
        drawn = {name: image_means(values, images, seed) for name, values in apart.items()}
        rival = min(BASELINES, key=lambda name: float(apart[name].mean()))
        for name, (group, _) in found.items():
            row = self._key(name) | {
                "members": None if group is None else len(group.members),
                "learning": len(self.learning),
                "heldout": len(held),
                **_with_interval("distance", float(apart[name].mean()), drawn[name]),
            }
            if name not in BASELINES and apart[rival].mean() > 0:
                other = drawn[rival]
                less = 1 - np.divide(drawn[name], other, out=np.full(len(other), np.nan), where=other > 0)
                row |= _with_interval("less", 1 - float(apart[name].mean() / apart[rival].mean()), less)
            yield row


def _median(each: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the median over members (n, K, 2) of what they say, `usual` where none says anything."""
    if not each.shape[1]:
        return np.broadcast_to(usual, (len(each), 2))
    silent = np.isnan(each).all(axis=1, keepdims=True)
    return np.asarray(np.nanmedian(np.where(silent, usual, each), axis=1), np.float64)


def _with_interval(name: str, value: float, replicates: np.ndarray) -> dict[str, float]:
    low, high = interval(replicates)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


PART_NODES = StageKind(
    "part-nodes",
    reads=(NODES, NODE_POSITIONS, MAPS, MAXIMA),
    writes=(Table("part_groups"), Table("part_nodes")),
    plan=plan_part_nodes,
    parameters=parameters,
)

__all__ = ["BASELINES", "NODE_GROUP", "PART_NODES"]
