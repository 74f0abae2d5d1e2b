"""Prediction difference analysis: how much the odds of a class fall when a window of the image is not known."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from filterscope.operators.attribution.prediction_difference import (
    PatchGaussian,
    WindowSampler,
    weight_of_evidence,
    window_starts,
)
from filterscope.operators.attribution.windows import averaged, covering
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.perturbed import probabilities
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare


@dataclass(frozen=True)
class PredictionDifference:
    """Prediction difference analysis with the paper's windows and samples, at every fourth place.

    A map is the weight of evidence in bits, log2 odds of the softmax probability on the image minus log2 odds of its mean
    over the draws, averaged over the windows that cover a pixel: positive where the pixels speak for the class.

    Attributes
    ----------
    window : int
        Rows and columns of a window, pixels of the network's input.
    padding : int
        Pixels on each side of it that its values are drawn given.
    samples : int
        Draws per window, each one pass.
    stride : int
        Pixels between windows, at most `window`. The paper's is 1, which takes 16 times the passes of 4.
    training_images : int
        N of Laplace's correction, the number of images that the network was trained on; that of ImageNet by default. It bounds
        the evidence: no probability is taken to be nearer to 0 than 1 / N. The release has 100,000 for ImageNet.
    patches : int
        Patches, at random places, that the Gaussian is fitted on.
    gaussian : PatchGaussian, optional
        Distribution of patches of `window + 2 * padding` pixels. Without it each image has its own, fitted on its patches,
        so that its map depends on no other image; the release fits one on the data.

    References
    ----------
    Zintgraf, Cohen, Adel, Welling 2017, "Visualizing deep neural network decisions: prediction difference analysis".
    """

    window: int = 10
    padding: int = 2
    samples: int = 10
    stride: int = 4
    training_images: int = 1_281_167
    patches: int = 20_000
    gaussian: PatchGaussian | None = None

    @property
    def patch(self) -> int:
        """Return the rows and columns of a window and what is known around it."""
        return self.window + 2 * self.padding

    def projected_passes(self, height: int, width: int) -> float:
        """Return the forward passes of one image of this size."""
        rows, columns = self._starts(height, width)
        return 1.0 + self.samples * len(rows) * len(columns)

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain softmax probabilities; see `Explainer`.

        Raises
        ------
        InputError
            If windows leave pixels out or do not fit the image, the Gaussian is of other patches, or the network does not
            score a class.
        """
        height, width = pixels.shape[1:3]
        starts = self._starts(height, width)
        covers = [covering(axis, self.window, size) for axis, size in zip(starts, (height, width), strict=True)]
        corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
        shared = None if self.gaussian is None else WindowSampler(self.gaussian, self.window)
        maps = np.empty(pixels.shape[:3], np.float32)
        for number, image in enumerate(pixels):
            seed, target = int(seeds[number]), int(classes[number])
            own = shared or WindowSampler(PatchGaussian.fit(image[None], self.patch, self.patches, seed), self.window)
            evidence = self._evidence(network, image, target, seed, corners, own)
            grid = evidence.reshape(*(len(axis) for axis in starts))
            maps[number] = averaged(grid, *covers)
        return Explanation(maps, self.projected_passes(height, width))

    def _evidence(
        self, network: Network, image: np.ndarray, target: int, seed: int, corners: np.ndarray, sampler: WindowSampler
    ) -> np.ndarray:
        """Return the weight of evidence of each window, float64 of shape (windows,)."""
        whole = prepare(image[None], network.mean, network.std, network.device)
        known, classes = probabilities(network, 1, lambda rows: whole, target)
        random = np.random.default_rng(seed)
        unknown = np.empty(len(corners))
        # the normal values are one stream, however it is cut
        for start in range(0, len(corners), network.batch_size):
            here = corners[start : start + network.batch_size]
            normals = random.standard_normal((len(here), self.samples, image.shape[-1], self.window**2))
            drawn = sampler.draw(image, here, normals).reshape(-1, self.window, self.window, image.shape[-1])
            copies = _Copies(network, whole, np.repeat(here, self.samples, axis=0), drawn)
            found, _ = probabilities(network, len(drawn), copies, target)
            unknown[start : start + len(here)] = found.reshape(len(here), self.samples).mean(axis=1)
        return weight_of_evidence(float(known[0]), unknown, classes, self.training_images)

    def _starts(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        if not 1 <= self.stride <= self.window:
            raise InputError(
                f"windows of {self.window} pixels at a stride of {self.stride} leave pixels out; "
                f"set a stride from 1 to {self.window}"
            )
        if self.patch > min(height, width):
            raise InputError(
                f"windows of {self.window} pixels with {self.padding} around them do not fit images of {height} x {width}; "
                "set a smaller window"
            )
        if self.gaussian is not None and self.gaussian.side != self.patch:
            raise InputError(
                f"the Gaussian is of patches of {self.gaussian.side} pixels; fit it on patches of {self.patch}, "
                f"the window of {self.window} with {self.padding} on each side"
            )
        return window_starts(height, self.window, self.stride), window_starts(width, self.window, self.stride)


@dataclass(frozen=True)
class _Copies:
    """Copies of an image, each with one window filled."""

    network: Network
    whole: Tensor
    corners: np.ndarray
    filling: np.ndarray

    def __call__(self, rows: range) -> Tensor:
        network, here = self.network, slice(rows.start, rows.stop)
        filling = prepare(self.filling[here], network.mean, network.std, network.device)
        corners = torch.from_numpy(self.corners[here]).to(network.device)
        inside = corners[:, :, None] + torch.arange(filling.shape[-1], device=network.device)
        copies = self.whole.repeat(len(rows), 1, 1, 1)
        number = torch.arange(len(rows), device=network.device)[:, None, None]
        copies[number, :, inside[:, 0, :, None], inside[:, 1, None, :]] = filling.permute(0, 2, 3, 1)
        return copies


__all__ = ["PredictionDifference"]
