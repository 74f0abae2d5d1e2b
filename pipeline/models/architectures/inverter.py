"""The inverter: a network that makes an image again of the features that a layer gives for it."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

_SLOPE = 0.2
#: Channels of the first layers at width 1, and the fewest of any.
_CHANNELS, _FEWEST = 256, 4
#: Least side that a vector is unfolded to.
_SIDE = 4


class Inverter(nn.Module):
    """Convolutions of 3 x 3 and as many up-convolutions (4 x 4, stride 2) as the layer halved, on standardised features.

    A vector passes three full layers instead and is unfolded. The picture is what is added to the mean image, so that an
    inverter that has learned nothing answers with that.

    Parameters
    ----------
    channels, rows, columns : int
        Of the features.
    height, width : int
        Of the images, pixels.
    colours : int
        Of the images: 1 or 3.
    multiplier : float
        Of the channels: 1 has 256 in its first layers, halved by every second up-convolution.
    """

    def __init__(
        self, channels: int, rows: int, columns: int, height: int, width: int, colours: int = 3, multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.size, self.features = (height, width), (channels, rows, columns)
        first, flat = max(round(_CHANNELS * multiplier), _FEWEST), rows == columns == 1
        if flat:
            ups = max(int(math.log2(max(height, width) / _SIDE)), 0)
            sides = [math.ceil(side / 2**ups) for side in (height, width)]
            hidden = 4 * first
            self.head = nn.Sequential(
                nn.Flatten(),
                *_full(channels, hidden), *_full(hidden, hidden), *_full(hidden, first * sides[0] * sides[1]),
                nn.Unflatten(1, (first, *sides)),
            )  # fmt: skip
        else:
            ups = max(round(math.log2(max(height / rows, width / columns))), 0)
            sizes = [channels, first, first, first]
            self.head = nn.Sequential(*(part for ends in pairwise(sizes) for part in _convolved(*ends)))
        halved = [max(first // 2 ** (place // 2), _FEWEST) for place in range(1, ups + 1)]
        self.body = nn.Sequential(*(part for ends in pairwise([first, *halved]) for part in _risen(*ends)))
        self.last = nn.Conv2d(halved[-1] if halved else first, colours, 3, padding=1)
        self.centre, self.deviation = nn.Buffer(torch.zeros(())), nn.Buffer(torch.ones(()))
        self.mean_image = nn.Buffer(torch.zeros(colours, height, width))
        #: Mean distance of random pairs of training images, of three colours.
        self.distance = nn.Buffer(torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return images (n, colours, height, width), not clipped, of features (n, channels, rows, columns)."""
        found = self.last(self.body(self.head((features - self.centre) / self.deviation)))
        if found.shape[2:] != self.size:
            found = interpolate(found, self.size, mode="bilinear", align_corners=False)
        made: Tensor = found + self.mean_image
        return made

    def decode(self, codes: Tensor, group: int) -> Tensor:
        """Return images from 0 to 1 of flattened features (n, channels * rows * columns), as a decoder of codes."""
        images: Tensor = self(codes.reshape(-1, *self.features)).clamp(0, 1)
        return images


def _full(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.LeakyReLU(_SLOPE)]


def _convolved(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(_SLOPE)]


def _risen(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(_SLOPE)]


__all__ = ["Inverter"]
