"""Stage `graph`: explanatory graphs, layer by layer from the top.

Given the layer above, the filters of a layer are independent: a piece of work is a category and a block of filters, which it
learns to the end without any exchange between workers. Between two layers one more piece ranks the upper nodes and writes the
600, at most, that lower nodes may be tied to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from filterscope.operators.explanatory_graph.candidates import rank_candidates
from filterscope.operators.explanatory_graph.edges import Candidates
from filterscope.operators.explanatory_graph.entities import Grid, add_to_sums, deviations, entities_of, grid_of
from filterscope.operators.explanatory_graph.learning import Learned, learn
from filterscope.operators.explanatory_graph.settings import (
    HALF_WINDOW,
    Mode,
    Settings,
    largest_deformation,
    nodes_per_filter,
)
from filterscope.operators.explanatory_graph.survival import merge_nodes, peak_shares, strongest_peaks
from filterscope.operators.explanatory_graph.triggering import triggered
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.crops import GraphViews, graph_categories, graph_layers
from filterscope.pipeline.methods.graph.node_instability import instability_rows
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.rows import (
    Found,
    Upper,
    candidate_rows,
    edge_rows,
    node_rows,
    position_rows,
    read_candidates,
    read_nodes,
    read_positions,
)
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import LayerTask, each_model, key_of
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table

#: Bytes of maps that a task holds at most, unless one filter's are more.
_HELD_BYTES = 1 << 27


@dataclass(frozen=True)
class GraphTask(LayerTask):
    """One category and filters `start` to `stop` - 1 of a layer; `upper` is the layer above, if any."""

    category: str
    upper: str | None
    start: int
    stop: int


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the graphs of a model depend on, beside activations: all its layers, since each depends on those above."""
    options = plan.of(GraphOptions)
    # as published unless stated, so that graphs of before the option are known
    window = {} if options.window == HALF_WINDOW else {"graph_window": options.window}
    return {
        **window,
        "graph_mode": options.mode,
        "graph_iterations": options.iterations,
        "graph_heldout": options.heldout,
        "graph_layers": [layer.name for layer in graph_layers(model)],
        "unit_block": plan.options.unit_block,
    }


def plan_graphs(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan the stages: filters of the top layers, their candidates, filters of the next layers, and so on."""
    stages = []
    for depth in range(max((len(model.layers) for model in plan.models), default=0)):
        whole = [task for model, own in each_model(plan) for task in _layer_tasks(kind, own, model, depth, prints)]
        filters = {task.key: task for one in whole for task in _block_tasks(kind, one, prints)}
        stages.append(Stage.of(kind.name, filters, learn_filters))
        # the lowest layer has none below it that could be tied to its nodes
        candidates = {task.key: task for task in whole if depth + 1 < len(task.model.layers)}
        if candidates:
            stages.append(Stage.of(kind.name, candidates, write_candidates))
    return stages


def _layer_tasks(kind: StageKind, plan: Plan, model: PlannedModel, depth: int, prints: Prints) -> Iterator[GraphTask]:
    """Yield a task of all filters of the layer at a depth for each category, under the key of its candidates."""
    layers = graph_layers(model)
    if depth >= len(layers):
        return
    layer, upper = layers[depth], layers[depth - 1].name if depth else None
    for category in graph_categories(plan):
        place = (model.name, layer.name, f"{GraphViews.of(plan, category).name}-candidates")
        key = key_of(kind, place, model, prints)
        yield GraphTask(key, plan, model, layer, category, upper, 0, layer.channels)


def _block_tasks(kind: StageKind, whole: GraphTask, prints: Prints) -> Iterator[GraphTask]:
    """Cut the filters of a layer into blocks."""
    name = GraphViews.of(whole.plan, whole.category).name
    for block, start, stop in blocks("units", whole.layer.channels, whole.plan.options.unit_block):
        place = (whole.model.name, whole.layer.name, f"{name}-{block}")
        yield replace(whole, key=key_of(kind, place, whole.model, prints), start=start, stop=stop)


def write_candidates(task: GraphTask) -> list[Output]:
    """Rank the nodes of a layer and write those that lower nodes may be tied to, with their positions on every view."""
    run, model, layer = task.plan.run, task.model.name, task.layer.name
    views = GraphViews.of(task.plan, task.category)
    nodes = read_nodes(run, model, layer, views.name)
    extent = task.model.geometry(task.plan.options.geometry).size
    columns = {name: nodes[name].to_numpy() for name in ("recorded", "variance", "mean_y", "mean_x")}
    mean = np.stack([columns["mean_y"], columns["mean_x"]], axis=1)
    chosen = rank_candidates(columns["recorded"], columns["variance"], mean, extent)
    rows = candidate_rows(
        model, layer, task.category, nodes, chosen, read_positions(run, model, layer, views, nodes, chosen)
    )
    count, digest = write_table(run, "graph_candidates", task.key.place, [rows])
    return [Output(task.key, count, checksums={"graph_candidates": digest})]


def learn_filters(task: GraphTask) -> list[Output]:
    """Learn a block of filters and write its parts of the tables."""
    learner = _Learner(task)
    found = list(learner.filters())
    tables = {
        "graph_nodes": [node_rows(learner.key, part) for part in found],
        "graph_edges": [edge_rows(learner.key, part, learner.upper) for part in found],
        "node_positions": [position_rows(learner.key, part) for part in found],
        "node_instability": instability_rows(task.plan, task.model, task.layer, learner.views, found, learner.seed),
    }
    rows, checksums = 0, {}
    for name, pieces in tables.items():
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, pieces)
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


class _Learner:
    """One block of filters on its way from activations to nodes."""

    def __init__(self, task: GraphTask) -> None:
        self.task, options = task, task.plan.of(GraphOptions)
        self.key = task.model.name, task.layer.name, task.category
        self.views = GraphViews.of(task.plan, task.category)
        self.store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
        self.extent = task.model.geometry(task.plan.options.geometry).size
        field = task.layer.field
        if field is None:
            raise RunError(f"layer {task.layer.name!r} of {task.model.name} has no receptive field")
        self.field, self.shape = field, (task.layer.height, task.layer.width)
        self.grid: Grid = grid_of(self.shape, self.extent, field.centre, field.stride)
        mode: Mode = options.mode
        self.settings = Settings(mode, options.iterations, window=options.window)
        self.seed = partial(
            seed_of, "graph", task.category, task.model.architecture, task.model.weights_sha256, task.layer.name
        )
        seen = ~np.isnan(self._maxima(self.views.view))
        if not seen.all():
            self.views = self.views.only(seen)
        self.learning = self.views.learning(mode)
        self.upper: Upper | None = None
        if task.upper is not None:
            self.upper = read_candidates(
                task.plan.run, task.model.name, task.upper, GraphViews.of(task.plan, task.category)
            )
            self.upper = self.upper.only(seen)

    def _maxima(self, views: np.ndarray) -> np.ndarray:
        start = self.task.start
        return self.store.read_maxima(0, self.task.plan.view_count, slice(start, start + 1))[views, 0]

    def filters(self) -> Iterator[Found]:
        """Learn filter by filter; a filter that never fires has no nodes and is left out."""
        task, cells = self.task, self.shape[0] * self.shape[1]
        held = max(1, _HELD_BYTES // (2 * cells * max(len(self.views.view), 1)))
        for first in range(task.start, task.stop, held):
            span = slice(first, min(first + held, task.stop))
            maps, scale = self._read(span)
            for index, unit in enumerate(range(span.start, span.stop)):
                if maps[self.learning, index].max(initial=0) > 0 and scale[index] > 0:
                    yield self._learned(unit, maps[:, index], float(scale[index]))

    def _read(self, span: slice) -> tuple[np.ndarray, np.ndarray]:
        """Read the maps of some filters on all crops, and their deviations on negative views, or without any on the crops."""
        views, options = self.views, self.task.plan.options
        maps = np.empty((len(views.view), span.stop - span.start, *self.shape), np.float16)
        sums, own = np.zeros((maps.shape[1], 3)), np.zeros((maps.shape[1], 3))
        for _, start, stop in blocks("images", self.task.plan.view_count, options.image_block):
            mine = np.flatnonzero((views.view >= start) & (views.view < stop))
            other = views.negative[(views.negative >= start) & (views.negative < stop)]
            if len(mine) or len(other):
                block = self.store.read(start, stop, span)
                maps[mine] = block[views.view[mine] - start]
                add_to_sums(sums, block[other - start])
                add_to_sums(own, block[(views.view[mine] - start)[self.learning[mine]]])
        return maps, deviations(sums if len(views.negative) else own)

    def _learned(self, unit: int, maps: np.ndarray, scale: float) -> Found:
        entities = entities_of(maps, scale, self.grid)
        count, stride = nodes_per_filter(*self.shape), max(self.field.stride)
        largest = largest_deformation(*self.shape, stride)
        candidates: Candidates | None = self.upper.candidates(self.learning) if self.upper else None
        found: Learned = learn(
            entities, self.grid, self.extent, count, largest, self.seed(unit), self.learning, candidates, self.settings
        )
        seen, nodes = self.learning, found.nodes
        into = merge_nodes(found.position[seen], found.score[seen], nodes.deformation, found.sums.recorded)
        cells, weights = strongest_peaks(maps[seen])
        share, chance = peak_shares(
            cells,
            weights,
            self.shape,
            self.field.centre,
            self.field.stride,
            found.centres.place[seen],
            nodes.deformation,
            self.seed(unit, "peaks"),
        )
        alone = into == np.arange(len(into))
        return Found(
            unit, self.views, self.learning, found, into, alone & (share > chance), share, chance,
            triggered(found.score, self.learning), self._raw(maps), maps.reshape(len(maps), -1).max(axis=1),
        )  # fmt: skip

    def _raw(self, maps: np.ndarray) -> np.ndarray:
        """Return y and x of each map's first maximum, NaN where it has no spatial maximum."""
        flat = maps.reshape(len(maps), -1)
        peak = flat.argmax(axis=1)
        index = np.stack([peak // self.shape[1], peak % self.shape[1]], axis=1)
        place = np.asarray(self.field.centre) + index * np.asarray(self.field.stride)
        place[flat.max(axis=1) == flat.min(axis=1)] = np.nan
        return place


NODES, NODE_POSITIONS = Table("graph_nodes"), Table("node_positions")
GRAPH_TABLES = (NODES, Table("graph_edges"), Table("graph_candidates"), NODE_POSITIONS, Table("node_instability"))

GRAPH = StageKind("graph", reads=(MAPS, MAXIMA), writes=GRAPH_TABLES, plan=plan_graphs, parameters=parameters)
