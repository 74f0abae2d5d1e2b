"""What a person is told of the cost of attacks before they run."""

from filterscope.operators.attacks.sign import STEPS
from filterscope.operators.attacks.slope import PASSES
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.run.plan import Plan

#: Forward passes that `lbfgs` takes for one weight of its loss, as measured on LeNet, ResNet-20 and SqueezeNet.
_OF_A_WEIGHT = 100


def told(plan: Plan) -> list[str]:
    """Return a line for each model and attack that takes more than 100 forward passes a view."""
    asked = plan.of(VulnerableOptions)
    views = min(asked.views, plan.view_count)
    passes = {
        "fgsm": PASSES * len(asked.eps),
        "pgd": PASSES * STEPS * len(asked.eps),
        "lbfgs": _OF_A_WEIGHT * asked.tries,
        # as many random changes again
        "one_pixel": 2 * asked.population * (1 + asked.generations) * len(asked.pixels),
    }
    return [
        f"{model.name}: {name} takes up to {passes[name]:,} forward passes a view, {passes[name] * views:,} in all, the cost "
        f"of extracting {passes[name] * views / plan.view_count:,.0f} times"
        for model in plan.models
        for name in asked.attacks
        if passes[name] > 100
    ]


__all__ = ["told"]
