"""What attacks need: class scores that depend on the image, and the class that is asked for among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.methods.outputs.needs import refused, scores_of_blank
from filterscope.pipeline.methods.outputs.targets import refuse_absent
from filterscope.pipeline.methods.vulnerable.options import ANY, VulnerableOptions
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Attackable(Need):
    """Scores of at least two classes that depend on the image, and among them the class that is asked for."""

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Differentiate the scores of a blank image with respect to it; refuse a network that cannot be attacked."""
        import torch

        from filterscope.pipeline.engine.errors import InputError
        from filterscope.pipeline.models.gradients import INPUT, gradients_of
        from filterscope.pipeline.models.scores import class_names
        from filterscope.pipeline.models.taps import Taps

        target, count = VulnerableOptions.of(settings).target, scores_of_blank(method, model).shape[1]
        class_names(model.spec, count)
        if target != ANY:
            refuse_absent("--vulnerable.target", target, count, model.name)
        blank = torch.zeros(1, model.transform.channels, *model.transform.input_size)
        with refused(method, model.name):
            if count < 2:
                raise InputError("the network returns one class score, so no attack can change the class")
            taps = Taps(model.module, [])
            gradients_of(taps, blank, lambda scores, taps: scores.amax(1), [INPUT], 1, scores=True, targets=None)


__all__ = ["Attackable"]
