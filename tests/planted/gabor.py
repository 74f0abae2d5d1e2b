"""Networks whose units answer to gratings, to either of two colours, or to one colour of a place: known best pictures."""

import math

import torch
from torch import nn

#: Side of the filters of `gabors`, and of what they see, in pixels.
FILTER, SIDE = 31, 64
#: Orientation (degrees from the row direction) and frequency (cycles per pixel) of the wave of each filter.
WAVES = ((0, 0.12), (30, 0.15), (60, 0.2), (90, 0.12), (120, 0.25), (150, 0.18))


def gabors() -> nn.Module:
    """Return a layer of Gabor filters of `WAVES`, before a ReLU; all colours alike, no answer to any constant."""
    conv = nn.Conv2d(3, len(WAVES), FILTER, stride=3, padding=FILTER // 2, bias=False)
    places = torch.arange(FILTER) - FILTER // 2.0
    y, x = torch.meshgrid(places, places, indexing="ij")
    for unit, (degrees, frequency) in enumerate(WAVES):
        angle = math.radians(degrees)
        along = x * math.cos(angle) + y * math.sin(angle)
        kernel = torch.cos(2 * math.pi * frequency * along) * torch.exp(-(x**2 + y**2) / (2 * 7.5**2))
        conv.weight.data[unit] = kernel - kernel.mean()
    return nn.Sequential(conv, nn.ReLU())


def facets() -> nn.Module:
    """Unit 0 answers to red without blue and to blue without red, two maxima of equal height; unit 1 to green alone."""

    class Facets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            red, green, blue = (colour.mean((1, 2)) for colour in (x[:, 0], x[:, 1], x[:, 2]))
            either = torch.maximum(red - blue, blue - red)
            return self.out(torch.stack([either, green - (red + blue) / 2], 1)[:, :, None, None])

    return Facets()


__all__ = ["FILTER", "SIDE", "WAVES", "facets", "gabors"]
