"""Stage `synthesise`: pictures with a prior for some units of every layer; a key is a model, a layer and a block of units."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys, blocks
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.methods.synthesis.asked import digest_of
from filterscope.pipeline.methods.synthesis.options import SynthesisOptions
from filterscope.pipeline.methods.tasks import each_model, key_of
from filterscope.pipeline.methods.units import named_or_drawn
from filterscope.pipeline.methods.visualization.asked import PictureTask
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table

#: Units of a piece of work.
UNITS = 4


def plan_syntheses(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the pictures.

    Raises
    ------
    InputError
        If a unit that is asked for is not in a layer.
    """
    from filterscope.pipeline.methods.synthesis.measure import Synthesiser  # imports torch

    tasks: dict[Key, PictureTask] = {}
    named, sample = plan.of(ReceptiveFieldOptions).units, plan.of(SynthesisOptions).sample
    for model, own in each_model(plan):
        for layer in model.layers:
            units = named_or_drawn(named, sample, model, layer)
            for block, start, stop in blocks("units", len(units), UNITS):
                key = key_of(kind, (model.name, layer.name, block), model, prints)
                tasks[key] = PictureTask(key, own, model, layer, start, stop, tuple(units[start:stop].tolist()))
    return [Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (forward_step(plan, Synthesiser),))]


def _works(tasks: dict[Key, PictureTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the pictures of a model depend on, beside its activations."""
    asked, named = plan.of(SynthesisOptions), plan.of(ReceptiveFieldOptions).units
    stated = {**asked.model_dump(mode="json", exclude={"sample"}), **digest_of(plan, model)}
    return {**stated, **({"units": named} if named else {"sample": asked.sample}), "block": UNITS}


SYNTHESISE = StageKind(
    "synthesise",
    reads=(MAXIMA,),
    writes=(Table("syntheses"), Table("synthesis_units")),
    plan=plan_syntheses,
    parameters=parameters,
)

__all__ = ["SYNTHESISE", "UNITS"]
