"""LIME: what showing each segment of an image adds to the probability of a class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.attribution.lime import draw_masks, fit_ridge, proximity, segment_means
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.perturbed import probabilities
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare


@dataclass(frozen=True)
class Lime:
    """LIME with the defaults of the package `lime` 0.2.0.1.

    It explains the softmax probability, as that package does, not the score before it. Segments follow from the image alone
    (they may differ between versions of scikit-image); the seed draws which of them each copy shows.

    A map is all zero, and its fit NaN, where the image is a single segment or hiding segments does not change the score.
    The fit is the weighted R^2; where it is low the map says little.

    Attributes
    ----------
    samples : int
        Copies of each image, each one pass; the first shows the whole image.
    kernel_size, max_dist, ratio : float
        Of quickshift.
    kernel_width : float
        How fast the weight of a copy falls with its cosine distance to the whole image.
    alpha : float
        Penalty of the ridge regression.

    References
    ----------
    Ribeiro, Singh, Guestrin 2016, "Why should I trust you?".
    """

    samples: int = 1000
    kernel_size: float = 4
    max_dist: float = 200
    ratio: float = 0.2
    kernel_width: float = 0.25
    alpha: float = 1.0

    def projected_passes(self, height: int, width: int) -> float:
        """Return the forward passes of one image of this size."""
        return float(self.samples)

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain softmax probabilities; see `Explainer`.

        Raises
        ------
        InputError
            If the network does not score a class.
        """
        maps, fits = np.zeros(pixels.shape[:3], np.float32), np.full(len(pixels), np.nan)
        for number, image in enumerate(pixels):
            segments = self.segments(image)
            count = int(segments.max()) + 1
            if count == 1:
                continue  # nothing to compare it with
            masks = draw_masks(self.samples, count, int(seeds[number]))
            scores = _scores(network, image, segments, masks, int(classes[number]))
            model = fit_ridge(masks, scores, proximity(masks, self.kernel_width), self.alpha)
            maps[number], fits[number] = model.weights[segments], model.fit
        return Explanation(maps, self.projected_passes(*pixels.shape[1:3]), fits)

    def segments(self, image: np.ndarray) -> np.ndarray:
        """Cut an image (uint8, shape (height, width, 3)) into segments, numbered from 0: int64 of shape (height, width)."""
        from skimage import segmentation

        quickshift: Any = segmentation.quickshift  # has no types
        found = quickshift(image, kernel_size=self.kernel_size, max_dist=self.max_dist, ratio=self.ratio, rng=0)
        return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def _scores(network: Network, image: np.ndarray, segments: np.ndarray, masks: np.ndarray, target: int) -> np.ndarray:
    """Return the probability of a class on each copy of an image, whose hidden segments show their mean colour."""
    device = network.device
    whole, hidden = (
        prepare(part[None], network.mean, network.std, device) for part in (image, segment_means(image, segments))
    )
    where = torch.from_numpy(segments).to(device)

    def copies(rows: range) -> Tensor:
        shown = torch.from_numpy(masks[rows.start : rows.stop]).to(device)
        return torch.where(shown[:, where][:, None], whole, hidden)

    return probabilities(network, len(masks), copies, target)[0]


__all__ = ["Lime"]
