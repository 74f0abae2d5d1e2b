"""Gradients of the score with respect to the input: at the image, and along the way to it from the mean colour."""

from dataclasses import dataclass

import numpy as np
import torch

from filterscope.operators.attribution.baselines import window_mean
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.passes import class_score, odd, prepared, scaled
from filterscope.pipeline.models.gradients import INPUT, gradients_of, tapped_for
from filterscope.pipeline.models.network import Network


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated gradients from the mean colour to the image, summed over channels; then the mean of a window.

    Attributes
    ----------
    steps : int
        Places on the way, each in the middle of a part of it.
    window : int
        Side of the window, pixels of an input of 224 x 224; 1 for the map as it is.

    References
    ----------
    Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks, section 3. The window is ours: single pixels of the
    map point almost at random.
    """

    steps: int = 32
    window: int = 15

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`."""
        taps, maps = tapped_for(network.taps, ()), []
        for rows, batch in prepared(network, pixels):
            slopes, own = torch.zeros_like(batch[: rows.stop - rows.start]), classes[rows]
            for step in range(self.steps):
                here = batch * ((step + 0.5) / self.steps)
                slopes += gradients_of(taps, here, class_score, (INPUT,), len(own), scores=True, targets=own)[INPUT]
            maps.append((batch[: len(own)] * slopes / self.steps).sum(dim=1).cpu().numpy())
        height, width = pixels.shape[1:3]
        smooth = window_mean(np.concatenate(maps), odd(scaled(self.window, height, width)))
        return Explanation(smooth, self.projected_passes(height, width))

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as."""
        return 3.0 * self.steps


@dataclass(frozen=True)
class Gradient:
    """The gradient of the score times the input, summed over channels; then the mean of a window.

    Attributes
    ----------
    window : int
        Side of the window, pixels of an input of 224 x 224; 1 for the map as it is.

    References
    ----------
    Shrikumar et al. 2017, Learning Important Features Through Propagating Activation Differences, section 3.
    """

    window: int = 15

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`."""
        taps, maps = tapped_for(network.taps, ()), []
        for rows, batch in prepared(network, pixels):
            own = classes[rows]
            slope = gradients_of(taps, batch, class_score, (INPUT,), len(own), scores=True, targets=own)[INPUT]
            maps.append((batch[: len(own)] * slope).sum(dim=1).detach().cpu().numpy())
        height, width = pixels.shape[1:3]
        smooth = window_mean(np.concatenate(maps), odd(scaled(self.window, height, width)))
        return Explanation(smooth, self.projected_passes(height, width))

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as."""
        return 3.0


__all__ = ["Gradient", "IntegratedGradients"]
