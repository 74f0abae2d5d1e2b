"""What synthesis with a learned prior is projected to cost."""

from filterscope.pipeline.methods.synthesis.options import SynthesisOptions
from filterscope.pipeline.run.plan import Plan

#: Forward passes that a step of a picture takes as long as, with its unguided twin.
_OF_A_STEP = 10.0


def drawn(plan: Plan) -> float:
    """Return the forward passes through each network: all steps of all chains."""
    asked = plan.of(SynthesisOptions)
    units = sum(min(asked.sample, layer.channels) for model in plan.models for layer in model.layers)
    return units * asked.chains * len(asked.weights) * asked.steps * _OF_A_STEP / max(len(plan.models), 1)


__all__ = ["drawn"]
