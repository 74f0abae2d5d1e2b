"""Networks of a user's own, as a `factory:` source makes them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class CifarBlock(nn.Module):
    """Basic block with the weightless shortcut (option A) of He et al. 2016."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.padding = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        return F.relu(y + F.pad(shortcut, (0, 0, 0, 0, self.padding, self.padding)))


class CifarResNet(nn.Module):
    """Residual network for 32 x 32 images with 6 n + 2 layers."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(n, 16, 16, 1)
        self.layer2 = _stage(n, 16, 32, 2)
        self.layer3 = _stage(n, 32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, 32, 32) to logits (N, 10)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _stage(n: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    first = CifarBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(CifarBlock(outputs, outputs, 1) for _ in range(n - 1)))


def cifar_resnet20() -> nn.Module:
    """Make ResNet-20 for CIFAR-10."""
    return CifarResNet(3)


def cifar_resnet56() -> nn.Module:
    """Make ResNet-56 for CIFAR-10."""
    return CifarResNet(9)


class SharedReLU(nn.Module):
    """Two convolutions with one in-place ReLU between and after."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 6)."""
        return self.relu(self.conv2(self.relu(self.conv1(x)))).mean((2, 3))


def shared_relu() -> nn.Module:
    """Make a network whose ReLU is called twice."""
    return SharedReLU()


def not_a_module() -> Tensor:
    """Return what a factory must not return."""
    return torch.zeros(1)


def failing() -> nn.Module:
    """Fail as a user's function may."""
    raise RuntimeError("no such configuration")
