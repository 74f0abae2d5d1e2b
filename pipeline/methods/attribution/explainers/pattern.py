"""PatternNet and PatternAttribution: ways back along what neurons detect, in place of their weights."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from filterscope.operators.attribution.baselines import window_mean
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.passes import class_score, odd, scaled
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.patterns import Patterns, Way, fit_patterns, linear_layers, patterns_back


@dataclass(frozen=True)
class _Along:
    """What both share.

    Attributes
    ----------
    patterns : Patterns
        Patterns of the network's neurons.
    window : int
        Side of the window whose mean is taken, pixels of an input of 224 x 224; 1 for the map as it is.
    """

    patterns: Patterns
    window: int = 15

    @staticmethod
    def fit(network: Network, blocks: Iterable[np.ndarray]) -> Patterns:
        """Fit the patterns in one pass over images, the same for both; see `fit_patterns`."""
        return fit_patterns(network, blocks)

    def check(self, module: nn.Module, blank: Tensor) -> None:
        """Refuse a network without patterns, before any image is read; raises InputError."""
        linear_layers(module, blank)

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as: forward by weights and by patterns, and back."""
        return 4.0

    def _back(self, network: Network, pixels: np.ndarray, classes: np.ndarray, way: Way) -> np.ndarray:
        with patterns_back(network, self.patterns, way):
            return network.gradients(pixels, class_score, (INPUT,), targets=classes)[INPUT]

    def _explanation(self, maps: np.ndarray) -> Explanation:
        height, width = maps.shape[1:]
        return Explanation(
            window_mean(maps, odd(scaled(self.window, height, width))), self.projected_passes(height, width)
        )


@dataclass(frozen=True)
class PatternNet(_Along):
    """PatternNet: the signal that the score detects in the image, its magnitude summed over channels.

    References
    ----------
    Kindermans et al. 2018, Learning how to explain neural networks: PatternNet and PatternAttribution, section 4.2. The
    way back starts with 1 at the class in place of its score, which scales a map; magnitude and window are ours.
    """

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`. Raises InputError if the patterns are of another network."""
        return self._explanation(np.abs(self._back(network, pixels, classes, "signal")).sum(axis=1))


@dataclass(frozen=True)
class PatternAttribution(_Along):
    """PatternAttribution: what each place contributes to the score through the signal, summed over channels.

    References
    ----------
    As of `PatternNet`, section 4.3.
    """

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`. Raises InputError if the patterns are of another network."""
        return self._explanation(self._back(network, pixels, classes, "attribution").sum(axis=1))


__all__ = ["PatternAttribution", "PatternNet"]
