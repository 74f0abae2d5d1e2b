"""What And-Or graphs take: how usual units are, templates that are grown, and crops that are parsed by them."""

from collections.abc import Mapping

from filterscope.operators.and_or.asking import STRATEGIES
from filterscope.operators.and_or.responses import REACH
from filterscope.pipeline.methods.and_or.options import AndOrOptions
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.part_views import PartViews, lattice_of
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Patterns of a layer that a template keeps, about: 130 to 200 on crops of animals.
PATTERNS = 150


def planned(factors: Mapping[str, float], plan: Plan, views: int) -> dict[str, float]:
    """Return core seconds of all networks; the baselines, the same as those of `localize`, are not in them."""
    asked = plan.of(LocalizeOptions)
    models = [model for model in plan.models if asked.part is not None and asked.model in (None, model.name)]
    return {"and-or": sum(_seconds(factors, plan, model, views / plan.view_count) for model in models)}


def moves(layer: Layer, side: float) -> float:
    """Return how many million places all units of a layer look at where a template is grown from one crop."""
    window = 1
    for stride, cells in zip(lattice_of(layer).stride, (layer.height, layer.width), strict=True):
        window *= min(cells, 2 * max(1, round(REACH * side / stride)) + 1)
    return 1e-6 * layer.channels * layer.height * layer.width * window


def _seconds(factors: Mapping[str, float], plan: Plan, model: PlannedModel, more: float) -> float:
    asked, own, total = plan.of(LocalizeOptions), plan.of(AndOrOptions), 0.0
    layers, side = layers_asked(model, asked), float(max(model.geometry(plan.options.geometry).size))
    grown = sum(moves(layer, side) for layer in layers) * factors["grow_mmove"]
    parsed = len(layers) * PATTERNS * factors["parse_pattern"]
    elements = 1e-6 * sum(layer.channels * layer.height * layer.width for layer in layers)
    for category in categories_asked(plan, model):
        parts = PartViews.of(plan, model, category, str(asked.part))
        learned = more * len(parts.views.only(parts.views.learning(plan.of(GraphOptions).mode)).view)
        heldout, pool = more * len(parts.heldout), min(own.pool, len(parts.annotatable))
        templates = asked.draws * asked.shots * (2 if (parts.mirror >= 0).any() else 1)
        total += learned * elements * factors["usual_melement"] + templates * (grown + heldout * parsed)
        # at most: an answer that was right already changes no template, and others know fewer crops
        count = min(own.questions, pool)
        each = (count + 1) / 2 * grown + (pool + heldout) * parsed
        total += len(STRATEGIES) * own.seeds * count * each
    return total


__all__ = ["PATTERNS", "moves", "planned"]
