"""What a person is told of the cost of gradients of many outputs and of edits."""

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.bias.regions import regions_asked
from filterscope.pipeline.run.plan import Plan


def told(plan: Plan) -> list[str]:
    """Return a line for each model on the edits of a run, of which the number of outputs is not known before."""
    asked = plan.of(BiasOptions)
    regions = len(regions_asked(Dataset(plan.data), asked)[0]) if asked.edit_views else 0
    if not regions:
        return []
    passes = 2 * len(asked.edits) * regions
    return [
        f"{model.name}: {regions} regions are edited, up to {passes * asked.edit_views:,} forward passes for each attribute; "
        "--bias.edit-views limits them"
        for model in plan.models
    ]


__all__ = ["told"]
