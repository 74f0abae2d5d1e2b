"""From coefficients to what a network is shown: decorrelated frequencies and colours, 0 to 1, normalised, and moved about."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from filterscope.operators.visualization.spectrum import GAIN, colour_matrix, frequency_scale
from filterscope.pipeline.models.network import Network

#: What is done to a picture at random: shift on a side of 128 pixels, change of scale, turn in degrees, how often it is turned.
SHIFT, SCALE, TURN, TURNED = 6.0, 0.1, 10.0, 0.8


@dataclass(frozen=True)
class Canvas:
    """Pictures of one network.

    Attributes
    ----------
    size : (int, int)
        Height and width.
    mean, std : Tensor of shape (1, channels, 1, 1)
        Normalisation of the network, in the scale 0..255.
    """

    size: tuple[int, int]
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, network: Network, size: tuple[int, int]) -> "Canvas":
        """Return that of a network with an input of this size."""
        return cls(size, network.mean, network.std)

    @property
    def colours(self) -> int:
        """How many colours pictures have: one where the network takes one, else three."""
        return 1 if self.mean.shape[1] == 1 else 3

    def painted(self, spectra: Tensor) -> Tensor:
        """Return pictures from 0 to 1, (n, colours, height, width), from coefficients (n, 2, colours, height, columns)."""
        scale = torch.from_numpy(frequency_scale(*self.size)).to(spectra)
        scaled = torch.complex(spectra[:, 0] * scale, spectra[:, 1] * scale)
        pictures = GAIN * torch.fft.irfft2(scaled, s=self.size)
        if self.colours == 3:
            matrix = torch.from_numpy(colour_matrix()).to(spectra)
            pictures = torch.einsum("rc,nchw->nrhw", matrix, pictures)
        return torch.sigmoid(pictures)

    def kept(self, spectra: np.ndarray) -> np.ndarray:
        """Return pictures as they are kept, uint8 of shape (n, height, width, 3)."""
        with torch.inference_mode():
            pictures = self.painted(torch.from_numpy(spectra)).mul(255).round().to(torch.uint8)
        return np.ascontiguousarray(pictures.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())

    def shown(self, spectra: Tensor, generator: torch.Generator) -> Tensor:
        """Return what the network is shown of coefficients; see `painted`."""
        return self._normalised(self.painted(spectra))

    def moved(self, spectra: Tensor, generator: torch.Generator) -> Tensor:
        """Return the same shifted, scaled and turned at random, all pictures alike; what comes in from outside is grey."""
        draws = torch.rand(5, generator=generator, device=generator.device, dtype=torch.float64).tolist()
        pictures = self.painted(spectra)
        theta = torch.tensor(_affine(draws, self.size), dtype=pictures.dtype, device=pictures.device)
        grid = affine_grid(theta.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
        # grey is 0 here, which is what lies outside
        return self._normalised(grid_sample(pictures - 0.5, grid, align_corners=False) + 0.5)

    def _normalised(self, pictures: Tensor) -> Tensor:
        channels = self.mean.shape[1]
        if channels > 3:
            pictures = pictures[:, [number % 3 for number in range(channels)]]
        return (pictures * 255 - self.mean) / self.std


def _affine(draws: list[float], size: tuple[int, int]) -> list[list[float]]:
    """Return where the network's places lie in the picture, in shares of half its sides, from five draws of [0, 1)."""
    height, width = size
    y, x, grown, turned, whether = (2 * draw - 1 for draw in draws)
    angle = math.radians(TURN * turned) if whether < 2 * TURNED - 1 else 0.0
    scale, shift = 1 + SCALE * grown, SHIFT / 128 * 2
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    return [[cosine, -sine * height / width, shift * x], [sine * width / height, cosine, shift * y]]


__all__ = ["SCALE", "SHIFT", "TURN", "TURNED", "Canvas"]
