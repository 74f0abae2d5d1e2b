"""What a person is told of heads that are too large to be inverted exactly, or are not to be."""

from filterscope.operators.influence.hessian import CG_PRODUCTS, DEPTH, SAMPLE
from filterscope.pipeline.methods.influence.labels import TRAIN, Labels
from filterscope.pipeline.methods.influence.needs import parameters_of, solver_of
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.trial import SUSPECTS
from filterscope.pipeline.run.plan import Plan


def told(plan: Plan) -> list[str]:
    """Return a line for each model and layer whose Hessian is not inverted exactly."""
    asked, found = plan.of(InfluenceOptions), Labels.of(plan)
    training = found.role == TRAIN
    classes, tests = len(set(found.label[training].tolist())), int(found.tests(asked.tests).sum())
    lines = []
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


__all__ = ["told"]
