"""What looks at no network: the centre of the image, its edges, and noise. Every method stands beside these."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.attribution.baselines import centre_map, edge_map, random_map, window_mean
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.passes import odd, scaled
from filterscope.pipeline.models.network import Network


@dataclass(frozen=True)
class Centre:
    """A Gaussian about the centre."""

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Return the same map for every image; see `Explainer`."""
        count, *size = pixels.shape[:3]
        return Explanation(np.broadcast_to(centre_map(*size), (count, *size)), self.projected_passes(*size))

    def projected_passes(self, height: int, width: int) -> float:
        """Return 0: no network is run."""
        return 0.0


@dataclass(frozen=True)
class Edges:
    """Strength of the edges, then the mean of a window.

    Attributes
    ----------
    window : int
        Side of the window, pixels of an input of 224 x 224.
    """

    window: int = 15

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Find the edges of images; see `Explainer`."""
        height, width = pixels.shape[1:3]
        maps = np.stack([edge_map(image) for image in pixels])
        smooth = window_mean(maps, odd(scaled(self.window, height, width)))
        return Explanation(smooth, self.projected_passes(height, width))

    def projected_passes(self, height: int, width: int) -> float:
        """Return 0: no network is run."""
        return 0.0


@dataclass(frozen=True)
class Random:
    """Noise, of the image's own seed."""

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Draw a map for each image; see `Explainer`."""
        height, width = pixels.shape[1:3]
        maps = np.stack([random_map(height, width, int(seed)) for seed in seeds])
        return Explanation(maps, self.projected_passes(height, width))

    def projected_passes(self, height: int, width: int) -> float:
        """Return 0: no network is run."""
        return 0.0


__all__ = ["Centre", "Edges", "Random"]
