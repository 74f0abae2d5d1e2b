"""Networks whose filters are set by hand, and how a configuration names them.

Needs torch alone, so that a copy of this file is a module of a user's own.
"""

from typing import Any

import torch
from torch import nn

#: Height and width of what they see, pixels.
SIZE = 32


def entry(factory: str, name: str = "planted") -> dict[str, Any]:
    """Return the entry of a configuration for one of these networks, which sees pixels from 0 to 1 as they are."""
    return {
        "source": f"factory:tests.planted:{factory}",
        "name": name,
        "input_size": SIZE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "interpolation": "nearest",
    }


#: The network of most audits.
PLANTED = entry("network")


def network() -> nn.Module:
    """Unit 0 fires on red, unit 1 on vertical stripes of period 2, unit 2 on nothing."""
    conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate")
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, 0, 1, 1], conv.weight[0, 1, 1, 1], conv.weight[0, 2, 1, 1] = 1.0, -1.0, -1.0
        conv.weight[1, :, :, 1] = 1.0
        conv.weight[1, :, :, 0] = conv.weight[1, :, :, 2] = -0.5
        conv.bias[2] = -1.0
    return nn.Sequential(conv, nn.ReLU())


def classifier() -> nn.Module:
    """Score four classes by what `network` sees: r the mean of unit 0, scores r, 2 r, 2 r and 1/2 - r; stripes count for 3.

    Its first modules, 0 and 1, are those of `network`.
    """
    head = nn.Linear(3, 4)
    with torch.no_grad():
        head.weight[:] = torch.tensor([[1.0, 0, 0], [2, 0, 0], [2, 0, 0], [-1, 4, 0]])
        head.bias[:] = torch.tensor([0, 0, 0, 0.5])
    return nn.Sequential(*network(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def smooth() -> nn.Module:
    """Return `classifier` with a SiLU in place of its ReLU."""
    module = classifier()
    module[1] = nn.SiLU()
    return module


class _Unheard(nn.Module):
    """`classifier` with a convolution that is called and whose output nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.aside, self.main = nn.Conv2d(3, 2, 1), classifier()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) to (N, 4)."""
        self.aside(x)
        return self.main(x)


def unheard() -> nn.Module:
    """Return a classifier whose layer `aside` has no influence on the scores."""
    return _Unheard()


def not_a_number() -> nn.Module:
    """Return a network whose only layer gives NaN."""
    return _filled(float("nan"))


def too_large() -> nn.Module:
    """Return a network whose only layer gives numbers beyond float16."""
    return _filled(200000.0)


def tiny(exponent: int | None = None, factor: float = 1e-9) -> nn.Module:
    """Return `network` with weights times a small factor, or a power of two."""
    module = network()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= factor if exponent is None else 2.0**exponent
    return module


def small() -> nn.Module:
    """Return `network` with weights times 1e-6."""
    return tiny(factor=1e-6)


def partly_small(factor: float = 1e-5) -> nn.Module:
    """Return `network` with the weights of unit 0 times a small factor: all that it finds is the same."""
    module = network()
    with torch.no_grad():
        module[0].weight[0] *= factor
    return module


def partly_tiny() -> nn.Module:
    """Return `network` with the weights of unit 0 so small that float16 knows nothing of it."""
    return partly_small(2.0**-27)


def binary() -> nn.Module:
    """Return `network` with weights times 2^-30."""
    return tiny(-30)


def _filled(value: float) -> nn.Module:
    conv = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.fill_(value)
    return nn.Sequential(conv)


def averaging() -> nn.Module:
    """Unit 0 averages 9 x 9 pixels, unit 1 the 3 x 3 pixels at their lower left, unit 2 ignores the image."""
    conv = nn.Conv2d(3, 3, 9, padding=4, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0] = 1 / 243
        conv.weight[1, :, 6:9, 0:3] = 1 / 27
    return nn.Sequential(conv, nn.ReLU())


def unanchored() -> nn.Module:
    """Return a network whose last map mixes two strides, so that no field of constant stride fits it."""
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(5))


def two_layers() -> nn.Module:
    """Put a second convolution of stride 2 on `network`: its units 0 and 1 pass on red, unit 2 fires on nothing."""
    first = network()
    second = nn.Conv2d(3, 3, 3, stride=2, padding=1)
    with torch.no_grad():
        second.weight.zero_()
        second.bias.zero_()
        second.weight[0, 0], second.weight[1, 0, 1, 1], second.bias[2] = 1 / 9, 1.0, -1.0
    return nn.Sequential(*first, second, nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def colours() -> nn.Module:
    """Mix colours: units 0 to 3 fire about red; red or green; red, green or blue; nothing; 4 to 6 about one colour each.

    The last map is a single position.
    """
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 7, 3, padding=1)
    with torch.no_grad():
        first.weight[:] = (2 * torch.eye(3) - 1)[:, :, None, None]
        first.bias.zero_()
        mixes = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        second.weight[:] = mixes[:, :, None, None] / 9
        second.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def filters() -> nn.Module:
    """Return 48 filters of 5 x 5 pixels at random, every fourth pixel, that no constant colour activates."""
    conv = nn.Conv2d(3, 48, 5, stride=4, padding=2, padding_mode="replicate", bias=False)
    with torch.no_grad():
        weight = torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0))
        conv.weight[:] = weight - weight.mean(dim=(2, 3), keepdim=True)
    return nn.Sequential(conv, nn.ReLU())
