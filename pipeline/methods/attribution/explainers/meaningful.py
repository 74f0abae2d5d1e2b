"""Meaningful perturbation: the smallest, smoothest region whose blurring takes a class away from a network."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.perturbed import padded, probabilities, probability
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.tensors import prepare

_REFERENCE = 224  # the input that lengths are given for
_CIRCLES = 35  # radii 0, 5, ... 170 of the release
_CIRCLE_STEP, _CIRCLE_BLUR = 5.0, 10.0
_SUPPRESSED = 0.99


@dataclass(frozen=True)
class Meaningful:
    """Meaningful perturbation with the settings of the authors' release.

    For each image a mask m, 1 where the image stays and 0 where it is blurred, minimises
    `l1 sum |1 - m| + tv sum |grad m|^beta + p`, p the softmax probability of the class on the blend, by Adam from the smallest
    centred circle that takes 99 % of p away; the map is 1 - m as the network is shown it. Where blurring all of the image
    does not lower p, it starts from nothing blurred.

    Lengths are pixels of an input of 224 pixels and scale with the shorter side of others. Unlike the release, the gradient
    goes through the blur of the mask, the mask is enlarged bilinearly, and images are jittered about the middle with their
    edges repeated.

    Attributes
    ----------
    iterations : int
        Updates, each a forward and a backward pass.
    learning_rate, l1, tv, beta : float
        Of Adam and of the penalties.
    cells : int
        Rows and columns of the mask.
    blur, mask_blur : float
        Standard deviation of what blurs the image and the mask, pixels.
    jitter : float
        Range of shifts of the image under its mask, pixels.

    References
    ----------
    Fong, Vedaldi 2017, "Interpretable explanations of black boxes by meaningful perturbation", section 4.
    """

    iterations: int = 300
    learning_rate: float = 0.1
    l1: float = 1e-4
    tv: float = 1e-2
    beta: float = 3.0
    cells: int = 28
    blur: float = 10.0
    mask_blur: float = 5.0
    jitter: float = 4.0

    def projected_passes(self, height: int, width: int) -> float:
        """Return the forward passes of one image of this size, a way back counting two."""
        return 1.0 + _CIRCLES + 3.0 * self.iterations

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain softmax probabilities; see `Explainer`.

        Raises
        ------
        InputError
            If the network does not score a class.
        """
        maps = np.empty(pixels.shape[:3], np.float32)
        for start in range(0, len(pixels), network.batch_size):
            rows = slice(start, start + network.batch_size)
            maps[rows] = self._optimised(network, pixels[rows], classes[rows], seeds[rows])
        return Explanation(maps, self.projected_passes(*pixels.shape[1:3]))

    def _optimised(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return 1 - mask of at most a batch of images, each by itself, float32 of shape (n, height, width)."""
        height, width = pixels.shape[1:3]
        pixel = min(height, width) / _REFERENCE
        sigma = (0, self.blur * pixel, self.blur * pixel, 0)
        filled = gaussian_filter(pixels.astype(np.float32), sigma, mode="nearest")
        # what shows at once: image and fill, (2, n, channels, height, width)
        both = torch.stack([prepare(part, network.mean, network.std, network.device) for part in (pixels, filled)])
        enlarge = [_enlargement(size, self.cells, self.mask_blur * pixel, network.device) for size in (height, width)]
        targets = torch.from_numpy(classes.astype(np.int64)).to(network.device)
        shifts = self._shifts(seeds, round(self.jitter * pixel))
        hidden = self._started(network, both, classes, pixel)
        with torch.inference_mode(False), torch.enable_grad():
            hidden = hidden.requires_grad_()
            adam = torch.optim.Adam([hidden], lr=self.learning_rate)
            for shift in shifts:
                shown = _blend(_shifted(both, shift), _enlarged(hidden, enlarge))
                scores = scores_of(network.taps.module(padded(shown, network.batch_size)))[: len(hidden)]
                loss = self._penalty(hidden) + probability(scores, targets)
                hidden.grad = torch.autograd.grad(loss.sum(), hidden)[0]
                adam.step()
                with torch.no_grad():
                    hidden.clamp_(0, 1)
                    hidden[loss.isnan()] = torch.nan  # whose slope may be 0 all the same
        return _enlarged(hidden.detach(), enlarge).cpu().numpy()

    def _penalty(self, hidden: Tensor) -> Tensor:
        """Return the penalties on masks, of shape (n,), given 1 - m."""
        down, right = (torch.diff(hidden, dim=axis) for axis in (1, 2))
        square = torch.nn.functional.pad(down, (0, 0, 0, 1)) ** 2 + torch.nn.functional.pad(right, (0, 1)) ** 2
        # no slope where there is none, whatever the power
        rough = square.clamp_min(1e-10) ** (self.beta / 2)
        return self.l1 * hidden.abs().sum((1, 2)) + self.tv * rough.sum((1, 2))

    def _shifts(self, seeds: np.ndarray, reach: int) -> np.ndarray:
        """Draw shifts down and right of each image at each iteration, int64 of shape (iterations, n, 2)."""
        drawn = [np.random.default_rng(int(seed)).integers(0, reach + 1, (self.iterations, 2)) for seed in seeds]
        return np.stack(drawn, axis=1) - reach // 2

    def _started(self, network: Network, both: Tensor, classes: np.ndarray, pixel: float) -> Tensor:
        """Return what each mask hides at first, float32 of shape (n, cells, cells)."""
        height, width = both.shape[-2:]
        y, x = np.ogrid[:height, :width]
        away = np.hypot(y - height // 2, x - width // 2)
        radii = _CIRCLE_STEP * pixel * np.arange(_CIRCLES)
        circles = (away <= radii[:, None, None]).astype(np.float32)
        circles = gaussian_filter(circles, (0, *[_CIRCLE_BLUR * pixel] * 2), mode="nearest")
        masks = np.concatenate([np.zeros_like(circles[:1]), circles])  # the first hides nothing
        on_device = torch.from_numpy(masks).to(network.device)
        cells = [((np.arange(self.cells) + 0.5) * size / self.cells).astype(np.int64) for size in (height, width)]
        started = np.zeros((both.shape[1], self.cells, self.cells), np.float32)
        for number, target in enumerate(classes):
            copies = partial(_hidden, both[:, number, None], on_device)
            found, _ = probabilities(network, len(masks), copies, int(target))
            taken = found[0] - found[-1]
            if taken > 0:
                enough = found - found[-1] < (1 - _SUPPRESSED) * taken
                started[number] = masks[int(np.argmax(enough))][np.ix_(*cells)]
        return torch.from_numpy(started).to(network.device)


def _hidden(both: Tensor, masks: Tensor, rows: range) -> Tensor:
    """Show one image under some of the masks."""
    return _blend(both, masks[rows.start : rows.stop])


def _blend(both: Tensor, hidden: Tensor) -> Tensor:
    """Show images (2, n, channels, height, width), the first of them, where masks (n, height, width) hide nothing."""
    return torch.lerp(both[0], both[1], hidden[:, None])


def _shifted(both: Tensor, shifts: np.ndarray) -> Tensor:
    """Shift each image, and its fill, down and right by whole pixels; edges are repeated."""
    rows, columns = (
        (torch.arange(size) - torch.from_numpy(shifts[:, axis, None])).clamp(0, size - 1).to(both.device)
        for axis, size in enumerate(both.shape[-2:])
    )
    number = torch.arange(both.shape[1], device=both.device)[:, None, None]
    return both[:, number, :, rows[:, :, None], columns[:, None, :]].permute(3, 0, 4, 1, 2)


def _enlargement(size: int, cells: int, sigma: float, device: str) -> Tensor:
    """Return what enlarges an axis bilinearly and then blurs it, of shape (size, cells); each row adds to 1."""
    at = ((np.arange(size) + 0.5) * cells / size - 0.5).clip(0, cells - 1)
    bilinear = (1 - np.abs(at[:, None] - np.arange(cells))).clip(0, None)
    return torch.from_numpy(gaussian_filter(bilinear, (sigma, 0), mode="nearest").astype(np.float32)).to(device)


def _enlarged(masks: Tensor, enlarge: list[Tensor]) -> Tensor:
    rows, columns = enlarge
    return rows @ masks @ columns.T


__all__ = ["Meaningful"]
