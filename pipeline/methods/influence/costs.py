"""What heads, influence and training attacks take, and what a person is told of it before they run."""

from collections.abc import Mapping

from filterscope.operators.attacks.slope import PASSES
from filterscope.operators.influence.hessian import CG_PRODUCTS, DEPTH, SAMPLE
from filterscope.pipeline.methods.influence.groups import MOST, attributes_of
from filterscope.pipeline.methods.influence.head import SHARES
from filterscope.pipeline.methods.influence.labels import TRAIN, Labels
from filterscope.pipeline.methods.influence.needs import parameters_of, solver_of
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.trial import SUSPECTS
from filterscope.pipeline.methods.outputs.truth import stated_labels
from filterscope.pipeline.run.plan import Plan

#: Products with a Hessian in which a head is trained again from one that is near.
_AGAIN = 100
#: Orders in which labels are checked, each share of which trains a head.
_ORDERS = 3


def told(plan: Plan) -> list[str]:
    """Return a line on training attacks, and one for each model and layer whose Hessian is not inverted exactly."""
    asked, found = plan.of(InfluenceOptions), Labels.of(plan)
    training = found.role == TRAIN
    classes, tests = len(set(found.label[training].tolist())), int(found.tests(asked.tests).sum())
    lines, attack = [], drawn(plan)
    if attack:
        lines.append(
            f"training attacks: up to {attack:,.0f} forward passes of each model; --influence.attacked limits them"
        )
    for model in plan.models:
        for layer in model.layers:
            count = parameters_of(classes, layer.channels)
            solver = solver_of(asked, count)
            if solver != "exact":
                products, of = (CG_PRODUCTS, int(training.sum())) if solver == "cg" else (DEPTH, SAMPLE)
                lines.append(
                    f"{model.name} {layer.name}: a head of {count:,} parameters is inverted by {solver}, up to {products:,} "
                    f"products with the Hessian of {of:,} views for each of {tests:,} test views, and {CG_PRODUCTS} by cg for "
                    f"each of {min(SUSPECTS, int(training.sum())):,} training views; --influence.tests limits the former"
                )
    return lines


def drawn(plan: Plan) -> float:
    """Return the forward passes of training attacks through one network, as many as are asked for on each layer."""
    asked = plan.of(InfluenceOptions)
    layers = sum(len(model.layers) for model in plan.models) / len(plan.models)
    return layers * asked.attacked * (PASSES * asked.steps + 3) * max(asked.perturbed)


def planned(factors: Mapping[str, float], plan: Plan, views: int) -> dict[str, float]:
    """Return core seconds, from the floating-point operations of the heads of all layers."""
    classes = len(stated_labels(plan)[0])
    layers = [layer.channels for model in plan.models for layer in model.layers]
    return {"influence": sum(_gflop(plan, classes, units, views) for units in layers) * factors["head_gflop"]}


def _gflop(plan: Plan, classes: int, units: int, views: int) -> float:
    """Return 1e9 operations of the head of one layer: Hessians, heads trained again, and products with inverses."""
    asked, count = plan.of(InfluenceOptions), float(parameters_of(classes, units))
    train = min(asked.train, (1 - asked.test) * views)
    tests = min(asked.train, asked.test * views)
    solver, product = solver_of(asked, int(count)), 4.0 * train * (units + 1) * classes
    values = sum(min(len(stated_labels(plan, name)[0]), MOST) for name in attributes_of(plan))
    heads = 1 + asked.checks + 2 * values + (_ORDERS * len(SHARES) if asked.flips else 0)
    trials = 2 if asked.flips else 1  # the rehearsal has a Hessian of its own
    sought = min(tests, tests if asked.tests is None else asked.tests)
    if solver == "exact":
        made = classes * (classes - 1) * train * (units + 1.0) ** 2 + count**3 / 3
        inverses = (2 + trials) * made + (2 * sought + trials * train) * count**2
    else:
        each = CG_PRODUCTS * product if solver == "cg" else DEPTH * product * min(SAMPLE / max(train, 1), 1)
        inverses = (sought + 2 * values) * each + trials * min(SUSPECTS, train) * CG_PRODUCTS * product
    return 1e-9 * (heads * _AGAIN * product + inverses + sought * product / 2)


__all__ = ["drawn", "planned", "told"]
