"""Stage `invert`: what inversions of a layer keep; a key is a model and a layer."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.tasks import LayerTask, each_model, key_of
from filterscope.pipeline.methods.up_convolution.asked import digests_of
from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table


def plan_inversions(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for every layer."""
    from filterscope.pipeline.methods.up_convolution.measure import Measurer  # imports torch

    tasks: dict[Key, LayerTask] = {}
    for model, own in each_model(plan):
        for layer in model.layers:
            key = key_of(kind, (model.name, layer.name, "layer"), model, prints)
            tasks[key] = LayerTask(key, own, model, layer)
    return [Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (forward_step(plan, Measurer),))]


def _works(tasks: dict[Key, LayerTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the inversions of a model depend on, beside network and views."""
    asked, named = plan.of(UpConvolutionOptions), plan.of(ReceptiveFieldOptions).units
    stated = {**asked.model_dump(exclude={"sample"}), "inverters": digests_of(plan, model)}
    return {**stated, **({"units": named} if named else {"sample": asked.sample})}


INVERT = StageKind(
    "up-convolve",
    reads=(),
    writes=(Table("upconvolutions"), Table("upconvolution_pictures"), Table("upconvolution_units")),
    plan=plan_inversions,
    parameters=parameters,
    like=("extract",),
)

__all__ = ["INVERT"]
