"""Occlusion: how far the score falls where a window of the image is covered."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.attribution.windows import averaged, covered
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.passes import scaled, scores_of_copies
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare


@dataclass(frozen=True)
class Occlusion:
    """Mean fall of the score over the windows, of the mean colour, that cover a pixel.

    Attributes
    ----------
    window, stride : int
        Side of the windows, and from one to the next; pixels of an input of 224 x 224.

    References
    ----------
    Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2.
    """

    window: int = 32
    stride: int = 8

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`."""
        height, width = pixels.shape[1:3]
        rows, columns = self._covered(height, width)
        maps = [
            averaged(_falls(network, image, int(own), rows, columns), rows, columns)
            for image, own in zip(pixels, classes, strict=True)
        ]
        return Explanation(np.stack(maps).astype(np.float32), self.projected_passes(height, width))

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes: one per window, and one of the image as it is."""
        rows, columns = self._covered(height, width)
        return 1.0 + len(rows) * len(columns)

    def _covered(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        window, stride = (scaled(size, height, width) for size in (self.window, self.stride))
        return covered(height, window, stride), covered(width, window, stride)


def _falls(network: Network, image: np.ndarray, own: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return how far the score of a class falls for each window, float32 of shape (R, C)."""
    whole = prepare(image[None], network.mean, network.std, network.device)
    down, across = (torch.from_numpy(axis).to(network.device) for axis in (rows, columns))

    def copies(first: int, last: int) -> Tensor:
        # the first copy is the image as it is
        window = torch.arange(first - 1, last - 1, device=network.device).clamp(min=0)
        covered_rows, covered_columns = down[window // len(columns)], across[window % len(columns)]
        hidden = covered_rows[:, None, :, None] & covered_columns[:, None, None, :]
        if first == 0:
            hidden[0] = False
        return torch.where(hidden, whole.new_zeros(()), whole)

    scores = scores_of_copies(network, copies, 1 + len(rows) * len(columns))[:, own]
    return (scores[0] - scores[1:]).reshape(len(rows), len(columns))


__all__ = ["Occlusion"]
