"""How stages are cut into pieces of work: by layer, by block of units, by block of views; and what travels to a worker.

A task holds the plan of its one model, never that of the zoo.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from filterscope.pipeline.datasets.layout import opened
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Grid, Key, Keys, blocks
from filterscope.pipeline.engine.stage import Stage, Step, Work
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.decode import CHANGED, GONE, Decoded, decode_views
from filterscope.pipeline.views.geometry import Geometry

Planner = Callable[[StageKind, Plan, Prints], Sequence[Stage]]


@dataclass(frozen=True)
class LayerTask:
    """One layer of one model; `plan` is that of this model alone."""

    key: Key
    plan: Plan
    model: PlannedModel
    layer: Layer


@dataclass(frozen=True)
class BlockTask(LayerTask):
    """Units `start` to `stop` - 1 of one layer."""

    start: int
    stop: int


@dataclass(frozen=True)
class ViewsTask(LayerTask):
    """Views `start` to `stop` - 1 through one layer."""

    start: int
    stop: int


@dataclass(frozen=True)
class ModelTask:
    """One model."""

    key: Key
    plan: Plan
    model: PlannedModel


@dataclass(frozen=True)
class ModelViewsTask(ModelTask):
    """Views `start` to `stop` - 1 through one model."""

    start: int
    stop: int


def one(kind: StageKind, tasks: dict[Key, Any], call: Callable[..., Any]) -> Sequence[Stage]:
    """Return one stage in which each task is a piece of work of its own."""
    return [Stage.of(kind.name, tasks, call)]


def by_layer(call: Callable[[LayerTask], Any]) -> Planner:
    """Return what plans a piece of work for each model and layer."""

    def plan_layers(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        tasks = {}
        for model, own in each_model(plan):
            for layer in model.layers:
                key = key_of(kind, (model.name, layer.name, "layer"), model, prints)
                tasks[key] = LayerTask(key, own, model, layer)
        return one(kind, tasks, call)

    return plan_layers


def by_units(
    call: Callable[[BlockTask], Any], about: Callable[[Plan, Layer], bool] = lambda plan, layer: True
) -> Planner:
    """Return what plans a piece of work for each model, layer and block of units, for the layers that it is about."""

    def plan_units(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        tasks = {}
        for model, own in each_model(plan):
            for layer in (layer for layer in model.layers if about(plan, layer)):
                for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
                    key = key_of(kind, (model.name, layer.name, block), model, prints)
                    tasks[key] = BlockTask(key, own, model, layer, start, stop)
        return one(kind, tasks, call)

    return plan_units


def by_views(call: Callable[[ViewsTask], Any]) -> Planner:
    """Return what plans a piece of work for each model, layer and block of views; keys and tasks are made one by one."""

    def plan_views(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        plans = {model.name: own for model, own in each_model(plan)}
        group = partial(views_works, plans, plan.view_count, plan.options.image_block)
        return [Stage(kind.name, grids(kind, plan, prints, view_blocks(plan)), group, (Step(call),))]

    return plan_views


def by_model_views(step: Callable[[Plan], Step]) -> Planner:
    """Return what plans a piece of work for each model and block of views, carried out by a step that follows from the plan."""

    def plan_views(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        cuts = view_blocks(plan)
        keys = Keys([Grid(kind.name, ((model.name,),), cuts, prints.of(kind, model)) for model in plan.models])
        plans = {model.name: own for model, own in each_model(plan)}
        return [Stage(kind.name, keys, partial(_model_views, plans), (step(plan),))]

    return plan_views


def _model_views(plans: dict[str, Plan], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        name, block = key.place
        own, start = plans[name], start_of(block)
        stop = min(start + own.options.image_block, own.view_count)
        yield Work((key,), ModelViewsTask(key, own, own.model(name), start, stop))


def views_works(plans: dict[str, Plan], views: int, size: int, missing: Iterable[Key]) -> Iterator[Work]:
    """Yield a piece of work for each key of a model, a layer and a block of `size` views; `plans` by model."""
    for key in missing:
        model, layer, block = key.place
        own, start = plans[model], start_of(block)
        planned = own.model(model)
        yield Work((key,), ViewsTask(key, own, planned, planned.layer(layer), start, min(start + size, views)))


def view_blocks(plan: Plan) -> Sequence[tuple[str, int, int]]:
    """Return name, start and stop of the blocks of views; `images` in their names, as shards were called from the first."""
    return blocks("images", plan.view_count, plan.options.image_block)


def start_of(block: str) -> int:
    """Return where a block begins, from its name."""
    return int(block.rpartition("-")[2])


def grids(kind: StageKind, plan: Plan, prints: Prints, cuts: Sequence[tuple[str, int, int]]) -> Keys:
    """Return the keys of every model, layer and block of views, one grid per model."""
    return Keys(
        [
            Grid(
                kind.name,
                tuple((model.name, layer.name) for layer in model.layers),
                cuts,
                prints.of(kind, model),
                prints.former(kind, model),
            )
            for model in plan.models
        ]
    )


def planned_views(plan: Plan, model: PlannedModel, start: int, stop: int) -> Decoded:
    """Decode views [start, stop) of a run as a model sees them.

    Raises
    ------
    RunError
        If an image is not the one that was imported: part of the results would be of other pixels.
    """
    return chosen_views(plan, model, range(start, stop))


def chosen_views(plan: Plan, model: PlannedModel, views: Sequence[int], geometry: Geometry | None = None) -> Decoded:
    """Decode some views of a run as `planned_views` does, or in another geometry."""
    dataset = opened(plan.data, plan.data_identity)
    decoded = decode_views(dataset, plan.views, views, geometry or model.geometry(plan.options.geometry))
    for view, reason in zip(views, decoded.reasons, strict=True):
        if reason in (CHANGED, GONE):
            [path] = dataset.files(plan.views.image[[view]])
            raise RunError(
                f"image {path} of the data set {plan.data}: {reason}. Put the file back as it was, or import the images "
                "again into another folder and audit that into another --out; `filterscope doctor RUN` lists all such images"
            )
    return decoded


def each_model(plan: Plan) -> Iterator[tuple[PlannedModel, Plan]]:
    """Yield every model with the plan of it alone, which its tasks share."""
    for model in plan.models:
        yield model, plan.only(model.name)


def key_of(kind: StageKind, place: tuple[str, ...], model: PlannedModel, prints: Prints) -> Key:
    """Return the key of a piece of work of a model."""
    return Key(kind.name, place, prints.of(kind, model), prints.former(kind, model))


__all__ = [
    "BlockTask",
    "LayerTask",
    "ModelTask",
    "ModelViewsTask",
    "Planner",
    "ViewsTask",
    "by_layer",
    "by_model_views",
    "by_units",
    "by_views",
    "chosen_views",
    "each_model",
    "grids",
    "key_of",
    "one",
    "planned_views",
    "start_of",
    "view_blocks",
    "views_works",
]
