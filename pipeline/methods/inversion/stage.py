"""Stage `invert`: some drawn views made anew from a layer; a key is a model, a layer and a network."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.inversion.asked import POOL, InversionTask
from filterscope.pipeline.methods.inversion.options import InversionOptions
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, key_of
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table


def plan_inversions(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a key for each model, layer and network."""
    from filterscope.pipeline.methods.inversion.inverting import Inverter  # imports torch

    networks = ("trained", "shuffled") if plan.of(InversionOptions).controls else ("trained",)
    tasks: dict[Key, InversionTask] = {}
    for model, own in each_model(plan):
        for network in networks:
            for layer in model.layers:
                key = key_of(kind, (model.name, layer.name, network), model, prints)
                tasks[key] = InversionTask(key, own, model, layer, network)
    return [Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (forward_step(plan, Inverter),))]


def _works(tasks: dict[Key, InversionTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what inversions depend on beside the network and the views."""
    return {**plan.of(InversionOptions).model_dump(), "pool": POOL}


INVERT = StageKind(
    "invert", reads=(MAXIMA,), writes=(Table("inversions"),), plan=plan_inversions, parameters=parameters
)

__all__ = ["INVERT"]
