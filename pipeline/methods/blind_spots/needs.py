"""What blind spots need: a critical class that the network scores, and a layer that is audited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.blind_spots.options import BlindSpotsOptions
from filterscope.pipeline.methods.outputs.needs import scores_of_blank
from filterscope.pipeline.methods.outputs.targets import refuse_absent
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Critical(Need):
    """A critical class and a layer that are there."""

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse a class that the network does not score, and a layer that is not audited."""
        asked = BlindSpotsOptions.of(settings)
        layer_of(asked, layers, model.name)
        refuse_absent("--blind-spots.class", asked.critical, scores_of_blank(method, model).shape[1], model.name)


def layer_of(asked: BlindSpotsOptions, layers: "Sequence[Layer]", model: str) -> "Layer":
    """Return the layer whose activations are clustered: the one named, or the last.

    Raises
    ------
    InputError
        If it is not audited.
    """
    names = [layer.name for layer in layers]
    if asked.layer is None:
        return layers[-1]
    if asked.layer not in names:
        hint = did_you_mean(asked.layer, names) or f" Audited are {', '.join(names)}."
        raise InputError(f"--blind-spots.layer {asked.layer}: this layer of {model} is not audited.{hint}")
    return layers[names.index(asked.layer)]


__all__ = ["Critical", "layer_of"]
