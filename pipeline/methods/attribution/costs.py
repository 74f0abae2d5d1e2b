"""What a person is told of the cost of methods that take many forward passes for an image."""

from filterscope.pipeline.methods.attribution.options import AttributionOptions
from filterscope.pipeline.run.plan import Plan


def told(plan: Plan) -> list[str]:
    """Return a line for each model and each method that is costly on it."""
    from filterscope.pipeline.methods.attribution.stage import COSTLY, projected_passes

    asked, lines = plan.of(AttributionOptions), []
    # the maps of two randomised networks beside the trained one's
    explained = min(asked.views or plan.view_count, plan.view_count)
    views = explained + 2 * min(asked.control_views, explained)
    for model in plan.models:
        for name in asked.methods:
            passes = projected_passes(model, name)
            if passes >= COSTLY:
                lines.append(
                    f"{model.name}: {name} takes {passes:,.0f} forward passes a view, at most {passes * views:,.0f} in all, "
                    f"the cost of extracting {passes * views / plan.view_count:,.0f} times"
                )
    return lines


__all__ = ["told"]
