"""How training attacks are planned."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.influence.head import HEAD
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.pooled import POOLED
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, grids, view_blocks, views_works
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table


def plan_attacks(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the attacks, if any are asked for: a key for each model, layer and block of views."""
    if not plan.of(InfluenceOptions).attacked:
        return []
    from filterscope.pipeline.methods.influence.attack import Attacker  # imports torch

    plans = {model.name: own for model, own in each_model(plan)}
    group = partial(views_works, plans, plan.view_count, plan.options.image_block)
    return [Stage(kind.name, grids(kind, plan, prints, view_blocks(plan)), group, (forward_step(plan, Attacker),))]


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the head and how the network is run."""
    asked = plan.of(InfluenceOptions)
    return {"attacked": asked.attacked, "perturbed": list(asked.perturbed), "steps": asked.steps}


ATTACK_STAGE = StageKind(
    "training-attack",
    reads=(POOLED, HEAD),
    writes=(Table("training_attack"),),
    plan=plan_attacks,
    parameters=parameters,
)

__all__ = ["ATTACK_STAGE"]
