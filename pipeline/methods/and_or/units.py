"""Stage `and-or-units`: how a category's crops excite each filter, and how usual each of its cells is of the category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.responses import LayerResponses, standardise, usual_sums
from filterscope.operators.explanatory_graph.entities import add_to_sums, deviations
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Key, blocks
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.person import kept_answers
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.crops import GraphViews
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.part_views import lattice_of, read_maps, readable
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import BlockTask, each_model, key_of, one
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import lists, read_table, write_table
from filterscope.schemas.results import TABLES

NAME = "and-or-units"


@dataclass(frozen=True)
class UnitsTask(BlockTask):
    """Filters `start` to `stop` - 1 of a layer on the crops of one category."""

    category: str


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return which crops are learned from; blocks are files of their own."""
    options = plan.of(GraphOptions)
    return {
        "graph_mode": options.mode,
        "graph_heldout": options.heldout,
        "unit_block": plan.options.unit_block,
    }


def plan_units(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, layer and category that is asked about, and each block of filters."""
    tasks = dict[Key, UnitsTask]()
    for model, own in each_model(plan):
        for layer, category in _looked_at(plan, model):
            for place, start, stop in _places(plan, model, layer, GraphViews.of(plan, category).name):
                key = key_of(kind, place, model, prints)
                tasks[key] = UnitsTask(key, own, model, layer, start, stop, category)
    return one(kind, tasks, measure_units)


def _looked_at(plan: Plan, model: PlannedModel) -> Iterator[tuple[Layer, str]]:
    """Yield layers and categories that templates are grown of: those that `localize` asks for, and those of answers."""
    asked = plan.of(LocalizeOptions)
    if asked.part is not None and asked.model in (None, model.name):
        yield from (
            (layer, category) for layer in layers_asked(model, asked) for category in categories_asked(plan, model)
        )
    known = {layer.name: layer for layer in model.layers}
    for about in kept_answers(plan, model):
        yield from ((known[name], about.category) for name in about.layers.split(",") if name in known)


def _places(
    plan: Plan, model: PlannedModel, layer: Layer, category: str
) -> Iterator[tuple[tuple[str, str, str], int, int]]:
    for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
        yield (model.name, layer.name, f"{category}-{block}"), start, stop


def measure_units(task: UnitsTask) -> list[Output]:
    """Measure a block of filters and write its part of `aog_units`."""
    plan, layer = task.plan, task.layer
    views = readable(plan, task.model, GraphViews.of(plan, task.category))
    views = views.only(views.learning(plan.of(GraphOptions).mode))
    mean, deviation = _standards(task, views)
    side = float(max(task.model.geometry(plan.options.geometry).size))
    empty = np.empty((0, task.stop - task.start, layer.height, layer.width), np.float32)
    reach = LayerResponses(empty, np.zeros(empty.shape[1:]), lattice_of(layer)).reach(side)
    usual = np.zeros(empty.shape[1:])
    for maps in _read(task, views.view):
        usual += usual_sums(standardise(maps, mean, deviation), reach, _spread(layer))
    count = task.stop - task.start
    names = {"model": task.model.name, "layer": layer.name, "category": task.category}
    columns = {
        **{name: [value] * count for name, value in names.items()},
        "unit": np.arange(task.start, task.stop, dtype=np.int32),
        "mean": mean,
        "deviation": deviation,
        "usual": lists(usual.reshape(count, -1) / max(len(views.view), 1)),
    }
    rows, digest = write_table(plan.run, "aog_units", task.key.place, [pa.table(columns, schema=TABLES["aog_units"])])
    return [Output(task.key, rows, checksums={"aog_units": digest})]


def _standards(task: UnitsTask, views: GraphViews) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each filter over the cells of negative views, or without any of the crops."""
    sums = np.zeros((task.stop - task.start, 3))
    for maps in _read(task, views.negative if len(views.negative) else views.view):
        add_to_sums(sums, np.maximum(maps[~np.isnan(maps).any(axis=(1, 2, 3))], 0))
    return sums[:, 1] / np.maximum(sums[:, 0], 1), deviations(sums)


def _read(task: UnitsTask, views: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the maps of the task's filters on some views, float32, image block by image block."""
    store, plan = ActivationStore(task.plan.run, task.model.name, task.layer.name), task.plan
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        mine = views[(views >= start) & (views < stop)]
        if len(mine):
            yield store.read(start, stop, slice(task.start, task.stop))[mine - start].astype(np.float32)


def _spread(layer: Layer) -> tuple[float, float]:
    """Return the deviation of a unit's place in cells, along y and x."""
    if layer.field is None:
        raise RunError(f"layer {layer.name!r} has no receptive field")
    down, right = (size / stride for size, stride in zip(layer.field.size, layer.field.stride, strict=True))
    return down, right


def read_responses(plan: Plan, model: PlannedModel, layer: Layer, views: GraphViews) -> LayerResponses:
    """Return the standardised responses of a layer's units on some crops of a category, and how usual they are."""
    pieces = [
        read_table(plan.run, "aog_units", place, stage=NAME) for place, *_ in _places(plan, model, layer, views.name)
    ]
    units = pa.concat_tables(pieces)
    mean, deviation = (units[name].to_numpy() for name in ("mean", "deviation"))
    shape = (layer.channels, layer.height, layer.width)
    usual = units["usual"].combine_chunks().flatten().to_numpy().reshape(shape)
    response = np.empty((len(views.view), *shape), np.float32)
    for mine, maps in read_maps(plan, model, layer, views):
        response[mine] = standardise(maps.astype(np.float32), mean, deviation)
    return LayerResponses(response, usual, lattice_of(layer))


UNITS = StageKind(NAME, reads=(MAPS, MAXIMA), writes=(Table("aog_units"),), plan=plan_units, parameters=parameters)

__all__ = ["UNITS", "read_responses"]
