"""Stages cut by layer: one unit of work a block of units, or one a layer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filterscope.pipeline.engine.stage import Fingerprint, Stage, Unit, blocks
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel


@dataclass(frozen=True)
class LayerTask:
    """One layer of one model."""

    unit: Unit
    plan: Plan
    model: PlannedModel
    layer: Layer


@dataclass(frozen=True)
class BlockTask(LayerTask):
    """Units `start` to `stop` - 1 of one layer."""

    start: int
    stop: int


def layer_stage(
    name: str, plan: Plan, fingerprint: Callable[[Plan, PlannedModel], Fingerprint], call: Callable[[LayerTask], Any]
) -> Stage:
    """Plan a stage of one unit for each model and layer."""
    tasks = {}
    for model in plan.models:
        depends = fingerprint(plan, model)
        for layer in model.layers:
            unit = Unit(name, (model.name, layer.name, "layer"), depends)
            tasks[unit] = LayerTask(unit, plan, model, layer)
    return Stage.of(name, tasks, call)


def block_stage(
    name: str,
    plan: Plan,
    fingerprint: Callable[[Plan, PlannedModel], Fingerprint],
    call: Callable[[BlockTask], Any],
    about: Callable[[Layer], bool] = lambda layer: True,
) -> Stage:
    """Plan a stage of one unit for each model, layer and block of units, for the layers that it is about."""
    tasks = {}
    for model in plan.models:
        depends = fingerprint(plan, model)
        for layer in filter(about, model.layers):
            for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
                unit = Unit(name, (model.name, layer.name, block), depends)
                tasks[unit] = BlockTask(unit, plan, model, layer, start, stop)
    return Stage.of(name, tasks, call)
