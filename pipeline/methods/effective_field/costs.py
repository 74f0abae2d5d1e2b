"""What a person is told of the cost of effective fields before it starts."""

from filterscope.pipeline.methods.effective_field.asked import POOL, TOP, control_units, measured_units, strip_units
from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Forward passes that a pass forward and back to the input takes as long as.
_BACK = 3.0
#: Units of a piece of work of each stage.
FIELD_UNITS, STRIP_UNITS = 16, 8


def _gradients(plan: Plan, model: PlannedModel) -> int:
    asked = plan.of(EffectiveFieldOptions)
    images = min(asked.images, plan.view_count)
    found = 0
    for layer in model.layers:
        found += images * (len(measured_units(plan, model, layer)) + len(control_units(plan, model, layer)))
        found += len(strip_units(plan, model, layer)) * (asked.strips + TOP if asked.strips else 0)
    return found


def _passes(plan: Plan, model: PlannedModel) -> float:
    strips = plan.of(EffectiveFieldOptions).strips
    pools = sum(-(-len(strip_units(plan, model, layer)) // STRIP_UNITS) for layer in model.layers) if strips else 0
    return _BACK * _gradients(plan, model) + pools * min(POOL, plan.view_count)


def drawn(plan: Plan) -> float:
    """Return the forward passes through each network: what every gradient takes."""
    return sum(_passes(plan, model) for model in plan.models) / max(len(plan.models), 1)


def told(plan: Plan) -> list[str]:
    """Return a line for every model on the gradients that it takes."""
    return [
        f"{model.name}: effective-field takes {_gradients(plan, model):,} gradients, as long as "
        f"{_passes(plan, model):,.0f} forward passes, the cost of extracting "
        f"{_passes(plan, model) / plan.view_count:,.0f} times"
        for model in plan.models
    ]


__all__ = ["FIELD_UNITS", "STRIP_UNITS", "drawn", "told"]
