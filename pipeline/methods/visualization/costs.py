"""What a person is told of the cost of feature visualisation before it starts."""

from filterscope.pipeline.methods.visualization.options import VisualizationOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Forward passes that an update of a picture takes as long as.
_OF_AN_UPDATE = 3.0


def _pictures(plan: Plan, model: PlannedModel) -> int:
    from filterscope.pipeline.methods.visualization.asked import chosen_units

    units = sum(len(chosen_units(plan, model, layer)) for layer in model.layers)
    return units * plan.of(VisualizationOptions).pictures


def _passes(plan: Plan, model: PlannedModel) -> float:
    return _pictures(plan, model) * _OF_AN_UPDATE * plan.of(VisualizationOptions).steps


def drawn(plan: Plan) -> float:
    """Return the forward passes through each network: what every picture takes."""
    return sum(_passes(plan, model) for model in plan.models) / max(len(plan.models), 1)


def told(plan: Plan) -> list[str]:
    """Return a line for every model on the pictures that it makes."""
    steps, views = plan.of(VisualizationOptions).steps, plan.view_count
    return [
        f"{model.name}: visualization makes {_pictures(plan, model):,} pictures in {steps:,} updates each, as long as "
        f"{_passes(plan, model):,.0f} forward passes, the cost of extracting {_passes(plan, model) / views:,.0f} times"
        for model in plan.models
    ]


__all__ = ["drawn", "told"]
