"""Grad-CAM: the maps of a layer, weighted by the mean gradient of the score with respect to each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.passes import class_score, prepared
from filterscope.pipeline.models.gradients import gradients_of, tapped_for
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps


@dataclass(frozen=True)
class GradCam:
    """Grad-CAM, before its ReLU: what is negative speaks against the class.

    Attributes
    ----------
    layer : str
        The layer; with maps larger than 1 x 1.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM, section 3.
    """

    layer: str

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`."""
        taps, maps = tapped_for(network.taps, (self.layer,)), []
        for rows, batch in prepared(network, pixels):
            found = weighted(taps, self.layer, batch, classes[rows])
            maps.append(found.cpu().numpy())
        return Explanation(np.concatenate(maps), self.projected_passes(*pixels.shape[1:3]))

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as; the way back ends at the layer."""
        return 3.0


def weighted(taps: Taps, layer: str, batch: Tensor, classes: np.ndarray) -> Tensor:
    """Return the maps (n, h, w) of the first n images of a batch, whose classes are given."""
    seen = {}

    def score(scores: Any, values: Mapping[str, Tensor], *own: Any) -> Tensor:
        seen[layer] = values[layer].detach()
        return class_score(scores, values, *own)

    gradient = gradients_of(taps, batch, score, (layer,), len(classes), scores=True, targets=classes)[layer]
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * seen[layer].float()).sum(dim=1)


__all__ = ["GradCam", "weighted"]
