"""What comparing units with attributes takes."""

from collections.abc import Mapping

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.unit_attribute.asked import asked
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions
from filterscope.pipeline.run.plan import Plan


def planned(factors: Mapping[str, float], plan: Plan, views: int) -> dict[str, float]:
    """Return core seconds: units times images times attributes, as stated and permuted."""
    names = asked(Dataset(plan.data), plan.of(UnitAttributeOptions), plan.of(DissectionOptions)).names
    units = sum(layer.channels for model in plan.models for layer in model.layers)
    images = views * plan.views.image_count / plan.view_count
    return {"unit-attribute": units * images * len(names) * factors["attribute_pair"]}


__all__ = ["planned"]
