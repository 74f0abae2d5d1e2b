"""What attribution needs: regions to compare maps with, class scores, the class that is asked, and a layer with positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.attribution.explainers import made, needs_layer
from filterscope.pipeline.methods.attribution.options import AttributionOptions
from filterscope.pipeline.methods.outputs.needs import Scores, TrueClasses, refused, scores_of_blank
from filterscope.pipeline.methods.outputs.targets import TRUE, refuse_absent
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Regions(Need):
    """Landmarks or concepts that maps can be compared with."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without any, and names that it does not have."""
        from filterscope.pipeline.methods.attribution.regions import named_regions

        named_regions(dataset, AttributionOptions.of(settings).regions)


@dataclass(frozen=True)
class Explicable(Need):
    """Class scores, the class that is asked among them, and a layer that they depend on where one is explained by."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without true classes where these are asked about."""
        if AttributionOptions.of(settings).target == TRUE:
            TrueClasses(always=True).check_data(method, dataset, settings)

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Explain a blank image, and refuse a network without scores, a class that is not there and a layer of no use."""
        asked = AttributionOptions.of(settings)
        count = scores_of_blank(method, model).shape[1]
        refuse_absent("--attribution.target", asked.target, count, model.name)
        if asked.target == TRUE:
            Scores().check_network(method, model, layers, settings)
        with refused(method, model.name):
            for name in asked.methods:  # windows may not fit a small input
                made(name).projected_passes(*model.transform.input_size)
        if any(needs_layer(name) for name in asked.methods):
            _differentiate_blank(method, model, layer_of(asked, layers, model.name))
        _check_blank(model, asked.methods)


def layer_of(asked: AttributionOptions, layers: "Sequence[Layer]", model: str) -> "Layer":
    """Return the layer by whose maps scores are explained: the one named, or the deepest audited one that has positions.

    Raises
    ------
    InputError
        If it is not audited, or has one value per unit and so no place to point at.
    """
    names, placed = [layer.name for layer in layers], [layer for layer in layers if layer.height * layer.width > 1]
    if asked.layer is not None and asked.layer not in names:
        hint = did_you_mean(asked.layer, names) or f" Audited are {', '.join(names)}."
        raise InputError(f"--attribution.layer {asked.layer}: this layer of {model} is not audited.{hint}")
    chosen = placed[-1:] if asked.layer is None else [layer for layer in placed if layer.name == asked.layer]
    if not chosen:
        which = f"layer {asked.layer!r} of {model} has" if asked.layer else f"the audited layers of {model} have"
        raise InputError(
            f"{which} maps of 1 x 1, as layers after global pooling do, which have no place to point at; audit an "
            "earlier layer for --attribution.methods " + ",".join(name for name in asked.methods if needs_layer(name))
        )
    return chosen[0]


def _differentiate_blank(method: str, model: "Model", layer: "Layer") -> None:
    import torch

    from filterscope.pipeline.models.gradients import gradients_of
    from filterscope.pipeline.models.taps import Taps

    blank = torch.zeros(1, model.transform.channels, *model.transform.input_size)
    taps = Taps(model.module, [layer.name], layouts={layer.name: layer.layout})
    with refused(method, model.name):
        gradients_of(taps, blank, lambda scores, taps: scores.amax(1), [layer.name], 1, scores=True, targets=None)


def _check_blank(model: "Model", names: Sequence[str]) -> None:
    """Refuse a network that one of the ways to explain has no meaning for."""
    import torch

    blank = torch.zeros(1, model.transform.channels, *model.transform.input_size)
    for name in names:
        check = getattr(made(name), "check", None)
        if check is not None:
            try:
                check(model.module, blank)
            except InputError as error:
                words = f"{model.name}: {error}. Drop {name} from --attribution.methods, or the model."
                raise InputError(words) from error


__all__ = ["Explicable", "Regions", "layer_of"]
