"""Guided backpropagation, alone and times Grad-CAM."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import interpolate

from filterscope.operators.attribution.baselines import window_mean
from filterscope.pipeline.methods.attribution.explainers.base import Explanation
from filterscope.pipeline.methods.attribution.explainers.grad_cam import weighted
from filterscope.pipeline.methods.attribution.explainers.passes import class_score, odd, prepared, scaled
from filterscope.pipeline.models.gradients import INPUT, gradients_of, tapped_for
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.rectifiers import Rule, Ruled
from filterscope.pipeline.models.taps import Taps


@dataclass(frozen=True)
class Guided:
    """Guided backpropagation: the magnitude of the ruled gradient, summed over channels; then the mean of a window.

    Attributes
    ----------
    rule : str
        Of the rectifiers: guided, deconvnet or saliency; see `Ruled`.
    window : int
        Side of the window, pixels of an input of 224 x 224; 1 for the map as it is.
    largest : bool
        Whether to take the largest of the channels in place of the sum.
    smooth_as_relu : bool
        Whether SiLU, GELU and the like are taken as ReLU on the way back; they are refused otherwise.

    References
    ----------
    Springenberg et al. 2015, Striving for Simplicity, section 3.4; Simonyan et al. 2014, Deep Inside Convolutional
    Networks, section 3.1, for the largest channel. The window is ours: single pixels of the map point almost at random.
    """

    rule: Rule = "guided"
    window: int = 15
    largest: bool = False
    smooth_as_relu: bool = False

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`. Raises InputError where no rectifier follows the rule."""
        taps, maps = tapped_for(network.taps, ()), []
        for rows, batch in prepared(network, pixels):
            slopes = ruled(taps, batch, classes[rows], self.rule, self.smooth_as_relu).abs()
            maps.append((slopes.amax(dim=1) if self.largest else slopes.sum(dim=1)).cpu().numpy())
        return _smoothed(maps, self.window, pixels, self.projected_passes(*pixels.shape[1:3]))

    def check(self, module: nn.Module, blank: Tensor) -> None:
        """Refuse a network that the rule has no meaning for, before any image is read; raises InputError."""
        _check(module, blank, self.rule, self.smooth_as_relu)

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as."""
        return 3.0


@dataclass(frozen=True)
class Deconvnet(Guided):
    """The deconvnet rule: what goes back passes a rectifier where it is positive, whatever came in.

    References
    ----------
    Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 2.1. Maxima go back to the places
    that they came from, as its switches do.
    """

    rule: Rule = "deconvnet"


@dataclass(frozen=True)
class Saliency(Guided):
    """The plain gradient: largest magnitude of the channels.

    References
    ----------
    Simonyan et al. 2014, Deep Inside Convolutional Networks, section 3.1. The window is ours.
    """

    rule: Rule = "saliency"
    largest: bool = True


@dataclass(frozen=True)
class GuidedGradCam:
    """Guided Grad-CAM: guided backpropagation times what is positive of Grad-CAM, resized to the input.

    Attributes
    ----------
    layer : str
        The layer; with maps larger than 1 x 1.
    window : int
        Side of the window whose mean is taken, pixels of an input of 224 x 224; 1 for the map as it is.
    smooth_as_relu : bool
        Whether SiLU, GELU and the like are taken as ReLU on the way back; they are refused otherwise.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM, section 3.2. The magnitude, its sum over channels and the window are as of `Guided`.
    """

    layer: str
    window: int = 15
    smooth_as_relu: bool = False

    def __call__(self, network: Network, pixels: np.ndarray, classes: np.ndarray, seeds: np.ndarray) -> Explanation:
        """Explain scores; see `Explainer`. Raises InputError where no rectifier follows the rule."""
        plain, taps, maps = tapped_for(network.taps, (self.layer,)), tapped_for(network.taps, ()), []
        for rows, batch in prepared(network, pixels):
            cam = weighted(plain, self.layer, batch, classes[rows]).clamp(min=0)[:, None]
            slopes = ruled(taps, batch, classes[rows], "guided", self.smooth_as_relu)
            product = slopes * interpolate(cam, slopes.shape[2:], mode="bilinear", align_corners=False)
            maps.append(product.abs().sum(dim=1).cpu().numpy())
        return _smoothed(maps, self.window, pixels, self.projected_passes(*pixels.shape[1:3]))

    def check(self, module: nn.Module, blank: Tensor) -> None:
        """Refuse a network that the rule has no meaning for, before any image is read; raises InputError."""
        _check(module, blank, "guided", self.smooth_as_relu)

    def projected_passes(self, height: int, width: int) -> float:
        """Return how many forward passes an image takes as long as: forward and back for each of the factors."""
        return 6.0


def _check(module: nn.Module, blank: Tensor, rule: Rule, smooth_as_relu: bool) -> None:
    """Take the gradient of the first of the scores of a blank image (1, C, H, W) by a rule."""
    ruled(Taps(module, ()), blank, np.zeros(1, np.int64), rule, smooth_as_relu)


def ruled(taps: Taps, batch: Tensor, classes: np.ndarray, rule: Rule, smooth_as_relu: bool) -> Tensor:
    """Return the gradient at the input by a rule, of the first images of a batch, whose classes are given."""
    of = Ruled(class_score, rule, smooth_as_relu)
    return gradients_of(taps, batch, of, (INPUT,), len(classes), scores=True, targets=classes)[INPUT].detach()


def _smoothed(maps: list[np.ndarray], window: int, pixels: np.ndarray, passes: float) -> Explanation:
    height, width = pixels.shape[1:3]
    return Explanation(window_mean(np.concatenate(maps), odd(scaled(window, height, width))), passes)


__all__ = ["Deconvnet", "Guided", "GuidedGradCam", "Saliency", "ruled"]
