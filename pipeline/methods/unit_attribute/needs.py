"""What units are compared with: attributes that enough images have and lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.unit_attribute.asked import asked, counts, eligible
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.views.views import Views


@dataclass(frozen=True)
class Attributes(Need):
    """Attributes of whole images, some of them common and rare enough to be told from chance."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without attributes, or without those that are asked for."""
        asked(dataset, UnitAttributeOptions.of(settings), DissectionOptions.of(settings))

    def check_views(self, method: str, dataset: Dataset, views: "Views", settings: Mapping[str, Any]) -> None:
        """Stop before the expensive work if no attribute can be told from chance."""
        limits, images = DissectionOptions.of(settings), np.unique(views.image)
        found = counts(asked(dataset, UnitAttributeOptions.of(settings), limits).values[images], dataset.groups[images])
        if not eligible(found, limits, dataset.grouped).any():
            groups = f" in {limits.min_groups} groups or more" if dataset.grouped else ""
            lower = "--min-images or --min-groups" if dataset.grouped else "--min-images"
            raise InputError(
                f"of no attribute of {dataset.folder} do {limits.min_images} images or more{groups} have it and as many "
                f"lack it (at best {found[0].min(axis=0).max()}); lower {lower}, or add images"
            )


__all__ = ["Attributes"]
