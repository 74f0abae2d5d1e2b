"""Networks that are linear in the pixels, so that the smallest change of class is known in closed form.

Needs torch and scipy alone, as `networks` does, so that a factory makes them.
"""

import numpy as np
import torch
from torch import nn

#: Height and width of what they see, pixels.
SIDE = 16


def weights(classes: int = 2, seed: int = 0) -> np.ndarray:
    """Return the weights of `linear`, float32 of shape (classes, 3, SIDE, SIDE): noise, and each class a bright blob."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    found = 0.1 * random.normal(size=(classes, 3, SIDE, SIDE))
    for number, (row, column) in enumerate(random.integers(2, SIDE - 2, (classes, 2))):
        found[number] += np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return (found / 4).astype(np.float32)


class _Linear(nn.Module):
    """Scores are weighted sums of pixels from 0 to 1, less the score of a grey image; its layer `identity` are the pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.identity = nn.Identity()
        self.head = nn.Linear(3 * SIDE * SIDE, classes)
        with torch.no_grad():
            flat = torch.from_numpy(weights(classes).reshape(classes, -1))
            self.head.weight[:] = flat
            self.head.bias[:] = -0.5 * flat.sum(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, SIDE, SIDE) to (N, classes)."""
        return self.head(self.identity(x).flatten(1))


def linear() -> nn.Module:
    """Return a classifier of two classes."""
    return _Linear(2)


def linear_of_five() -> nn.Module:
    """Return a classifier of five classes."""
    return _Linear(5)


def filters() -> nn.Module:
    """Return four filters of the size of an image, of weights 1 and -1: many small changes of pixels add up in them."""
    found = nn.Sequential(nn.Conv2d(3, 4, SIDE, bias=False))
    signs = np.random.default_rng(5).choice([-1.0, 1.0], (4, 3, SIDE, SIDE))
    with torch.no_grad():
        found[0].weight[:] = torch.from_numpy(signs)
    return found


class _LeNet(nn.Module):
    """LeNet-5 for digits of 32 x 32, one channel, as `weights/lenet5_mnist.pth` of the test data has it."""

    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential()
        for name, inputs, outputs in (("1", 1, 6), ("3", 6, 16), ("5", 16, 120)):
            self.convnet.add_module(f"c{name}", nn.Conv2d(inputs, outputs, 5))
            self.convnet.add_module(f"relu{name}", nn.ReLU())
            if name != "5":
                self.convnet.add_module(f"s{int(name) + 1}", nn.MaxPool2d(2, 2))
        self.fc = nn.Sequential()
        self.fc.add_module("f6", nn.Linear(120, 84))
        self.fc.add_module("relu6", nn.ReLU())
        self.fc.add_module("f7", nn.Linear(84, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 1, 32, 32) to scores (N, 10)."""
        return self.fc(self.convnet(x).flatten(1))


def lenet5() -> nn.Module:
    """Make LeNet-5."""
    return _LeNet()
