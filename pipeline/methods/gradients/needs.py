"""What gradients need: a network whose class scores depend on the audited layers, and the class that is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.gradients.options import GradientsOptions
from filterscope.pipeline.methods.outputs.needs import Scores, TrueClasses, refused, scores_of_blank
from filterscope.pipeline.methods.outputs.targets import TRUE, refuse_absent
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Differentiable(Need):
    """Class scores that depend on every audited layer, and among them the class that is asked."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without true classes where gradients are of these."""
        if GradientsOptions.of(settings).target == TRUE:
            TrueClasses(always=True).check_data(method, dataset, settings)

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Take the gradients on a blank image, and refuse a layer without influence and a class that is not there."""
        asked = GradientsOptions.of(settings)
        count = scores_of_blank(method, model).shape[1]
        if asked.target == TRUE:
            Scores().check_network(method, model, layers, settings)
        refuse_absent("--gradients.target", asked.target, count, model.name)
        differentiate_blank(method, model, layers)


def differentiate_blank(method: str, model: "Model", layers: "Sequence[Layer]") -> None:
    """Take the gradient of the highest score on a blank image; raises InputError where a layer has no influence on it."""
    import torch

    from filterscope.pipeline.models.gradients import gradients_of
    from filterscope.pipeline.models.taps import Taps

    blank = torch.zeros(1, model.transform.channels, *model.transform.input_size)
    names, layouts = [layer.name for layer in layers], {layer.name: layer.layout for layer in layers}
    taps = Taps(model.module, names, layouts=layouts)
    with refused(method, model.name):
        gradients_of(taps, blank, lambda scores, taps: scores.amax(1), names, 1, scores=True, targets=None)


__all__ = ["Differentiable", "differentiate_blank"]
