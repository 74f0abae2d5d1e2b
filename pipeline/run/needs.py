"""What a method needs, asked before anything runs: each need refuses in its own words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.engine.errors import InputError

if TYPE_CHECKING:
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model
    from filterscope.pipeline.run.plan import Plan
    from filterscope.pipeline.views.views import Views


class Need:
    """Something that must be there; by default nothing is refused.

    `method` names who needs it, `settings` are the options of all methods by their flat names.
    """

    def check_data(self, method: str, dataset: "Dataset", settings: Mapping[str, Any]) -> None:
        """Refuse a data set that lacks what is needed, before any network is opened; raises InputError."""

    def check_views(self, method: str, dataset: "Dataset", views: "Views", settings: Mapping[str, Any]) -> None:
        """Refuse views that cannot answer anything; raises InputError."""

    def check_layers(self, method: str, model: str, layers: "Sequence[Layer]", settings: Mapping[str, Any]) -> None:
        """Refuse layers of an opened network; raises InputError."""

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse an opened network, whose `layers` are audited; raises InputError."""

    def check_plan(self, method: str, plan: "Plan") -> None:
        """Refuse the whole plan; raises InputError."""


def refuse_without_field(layers: "Sequence[Layer]", model: str, why: str, instead: str) -> None:
    """Stop where a layer has no theoretical receptive field.

    Raises
    ------
    InputError
        With the layer, why it has none, and what to do instead.
    """
    for layer in layers:
        if layer.field is None:
            raise InputError(
                f"layer {layer.name!r} of {model} has no receptive field {why} ({layer.no_field}); "
                f"{instead}, or leave the layer out"
            )


__all__ = ["Need", "refuse_without_field"]
