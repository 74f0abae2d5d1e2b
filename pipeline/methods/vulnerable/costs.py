"""What a person is told of the cost of attacks before they run."""

from filterscope.operators.attacks.sign import STEPS
from filterscope.operators.attacks.slope import PASSES
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.run.plan import Plan

#: Forward passes that `lbfgs` takes for one weight of its loss, at most: those it doubles take most, as on SqueezeNet.
_OF_A_WEIGHT = 180


def passes(plan: Plan) -> dict[str, int]:
    """Return the forward passes of each attack for one view, at most."""
    asked = plan.of(VulnerableOptions)
    every = {
        "fgsm": PASSES * len(asked.eps),
        "pgd": PASSES * STEPS * len(asked.eps),
        "lbfgs": _OF_A_WEIGHT * asked.tries,
        # as many random changes again
        "one_pixel": 2 * asked.population * (1 + asked.generations) * len(asked.pixels),
    }
    return {name: every[name] for name in asked.attacks}


def drawn(plan: Plan) -> float:
    """Return the forward passes of all attacks through one network, at most."""
    return float(min(plan.of(VulnerableOptions).views, plan.view_count) * sum(passes(plan).values()))


def told(plan: Plan) -> list[str]:
    """Return a line for each model and attack that takes more than 100 forward passes a view."""
    views = min(plan.of(VulnerableOptions).views, plan.view_count)
    return [
        f"{model.name}: {name} takes up to {count:,} forward passes a view, {count * views:,} in all, the cost of extracting "
        f"{count * views / plan.view_count:,.0f} times"
        for model in plan.models
        for name, count in passes(plan).items()
        if count > 100
    ]


__all__ = ["drawn", "passes", "told"]
