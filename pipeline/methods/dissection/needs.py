"""What all methods that speak of labels need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.run.needs import Need, refuse_without_field

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.views.views import Views


@dataclass(frozen=True)
class Concepts(Need):
    """Labels, some of them common enough to label a unit, and layers that can be placed on them as asked."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without concepts."""
        Dataset.open(dataset.folder, need="concepts")

    def check_views(self, method: str, dataset: Dataset, views: "Views", settings: Mapping[str, Any]) -> None:
        """Stop before the expensive work if no concept can label a unit."""
        fewest = DissectionOptions.of(settings).min_images
        pairs = dataset.table("segments").select(["image", "concept"]).group_by(["image", "concept"]).aggregate([])
        pairs = pairs.filter(pc.is_in(pairs["image"], pa.array(np.unique(views.image))))
        images = pairs.group_by("concept").aggregate([("image", "count")])["image_count"]
        most = pc.max(images).as_py() or 0
        if most < fewest:
            raise InputError(
                f"no concept of {dataset.folder} is in {fewest} images or more (the commonest is in {most}), so none "
                f"could label a unit; lower --min-images to {most} or less, or add images"
            )

    def check_layers(self, method: str, model: str, layers: "Sequence[Layer]", settings: Mapping[str, Any]) -> None:
        """Refuse layers without receptive fields where anchoring or masks go by them."""
        options = DissectionOptions.of(settings)
        if options.anchoring == "receptive_field":
            refuse_without_field(layers, model, "to anchor at", "use --anchoring resize")
        if options.mask_mode == "survey":
            refuse_without_field(layers, model, "to draw", "use --mask-mode upsample")


__all__ = ["Concepts"]
