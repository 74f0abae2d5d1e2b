"""Stages `saliency` and `class-models`: a key for each model."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.saliency.options import SaliencyOptions
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table


def _planned(called: str, kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a key for each model."""
    from filterscope.pipeline.methods.saliency import drawing  # imports torch

    tasks: dict[Key, ModelTask] = {}
    for model, own in each_model(plan):
        key = key_of(kind, (model.name, "classes", "all"), model, prints)
        tasks[key] = ModelTask(key, own, model)
    return [
        Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (forward_step(plan, getattr(drawing, called)),))
    ]


def _works(tasks: dict[Key, ModelTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


def _of_maps(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    return {"views": plan.of(SaliencyOptions).views}


def _of_images(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    return plan.of(SaliencyOptions).model_dump()


SALIENCY = StageKind(
    "saliency",
    reads=(DECODED,),
    writes=(Table("saliency"),),
    plan=partial(_planned, "Mapper"),
    parameters=_of_maps,
    like=("extract",),
)
CLASS_MODELS = StageKind(
    "class-models",
    reads=(DECODED,),
    writes=(Table("class_models"),),
    plan=partial(_planned, "Maker"),
    parameters=_of_images,
    like=("extract",),
)

__all__ = ["CLASS_MODELS", "SALIENCY"]
