"""Stage `vulnerable`: every attack on the drawn views that a model is right about, beside a random change of the same size.

A key is a model, an attack of one strength and a block of views; that of no attack says which views are attacked and why others
are not.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from filterscope.pipeline.engine.keys import Grid, Key, Keys
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import PassTask, forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.tasks import each_model, start_of, view_blocks
from filterscope.pipeline.methods.vulnerable.artifacts import PICTURES, SHIFTS
from filterscope.pipeline.methods.vulnerable.asked import VIEWS, asked_attacks
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table

#: Attacks that are a piece of work each.
_COSTLY = ("lbfgs", "one_pixel")


def plan_attacks(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the attacks: a key for each model, attack and block of views."""
    from filterscope.pipeline.methods.vulnerable.attacker import Attacker  # imports torch

    cuts, asked = view_blocks(plan), asked_attacks(plan.of(VulnerableOptions))
    names = [VIEWS, *(attack.key for attack in sorted(asked, key=lambda attack: attack.name in _COSTLY))]
    grids = [
        Grid(kind.name, tuple((model.name, name) for name in names), cuts, prints.of(kind, model))
        for model in plan.models
    ]
    plans = {model.name: own for model, own in each_model(plan)}
    group = partial(_works, plans, plan.view_count, plan.options.image_block)
    return [Stage(kind.name, Keys(grids), group, (forward_step(plan, Attacker),))]


def _works(plans: dict[str, Plan], views: int, size: int, missing: Iterable[Key]) -> Iterator[Work]:
    """Put what is cheap on a block into one piece of work, which decodes it once; the rest is a piece of work each."""

    def piece(key: Key) -> tuple[str, str, str]:
        model, name, block = key.place
        return model, block, name if name.partition("-")[0] in _COSTLY else ""

    for (model, block, _), found in groupby(missing, key=piece):
        keys, start, own = tuple(found), start_of(block), plans[model]
        yield Work(keys, PassTask(keys, own, own.model(model), start, min(start + size, views)))


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the network, the views, how they are run and what the keys say."""
    asked = plan.of(VulnerableOptions)
    return {
        **truth.parameters(plan, model),
        "views": asked.views,
        "confidence": asked.confidence,
        "target": asked.target,
        "population": asked.population,
        "generations": asked.generations,
        "tries": asked.tries,
        "pictures": asked.pictures,
        "layers": [layer.name for layer in model.layers],
    }


VULNERABLE = StageKind(
    "vulnerable",
    reads=(DECODED,),
    writes=(Table("adversarial_views"), Table("adversarial"), SHIFTS, PICTURES),
    plan=plan_attacks,
    parameters=parameters,
    like=("extract",),
)

__all__ = ["VULNERABLE"]
