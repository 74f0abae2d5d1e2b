"""What biased representations need: several outputs, with the names that a user states, and layers that they depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.bias.asked import drawn_layer, outputs_of
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.outputs.needs import refused, scores_of_blank
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Comparable(Need):
    """Outputs that can be compared, layers that have an influence on them, and regions where some are stated."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse regions that the data set does not have."""
        from filterscope.pipeline.methods.bias.regions import regions_asked

        asked = BiasOptions.of(settings)
        if asked.edit_views:
            regions_asked(dataset, asked)

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse a network of one score, names that it does not have, and a layer without influence on any score."""
        from filterscope.pipeline.methods.gradients.needs import differentiate_blank
        from filterscope.pipeline.models.scores import class_names

        asked, count = BiasOptions.of(settings), scores_of_blank(method, model).shape[1]
        outputs_of(asked, class_names(model.spec, count), model.name)
        drawn_layer(asked, layers, model.name)
        with refused(method, model.name):
            differentiate_blank(method, model, layers)


__all__ = ["Comparable"]
