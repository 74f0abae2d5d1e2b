"""A small convolutional network of four layers, which learns attributes of faces within minutes on a processor."""

from torch import Tensor, nn

_STRIDE = 16


class SmallCNN(nn.Module):
    """Convolutions of 24, 48, 96 and 128 units, each with batch norm and ReLU, and two layers above them.

    Parameters
    ----------
    outputs : int
        Scores that it gives.
    height, width : int
        Size of its input in pixels, 16 or more.
    channels : int
        Channels of its input.
    """

    def __init__(self, outputs: int, height: int, width: int, channels: int = 3) -> None:
        if min(height, width) < _STRIDE:
            raise ValueError(f"an input of {height} x {width} is smaller than {_STRIDE} x {_STRIDE}")
        super().__init__()
        self.features = nn.Sequential(
            *_block(channels, 24, kernel=5, stride=2), nn.MaxPool2d(2),
            *_block(24, 48), nn.MaxPool2d(2),
            *_block(48, 96),
            *_block(96, 128), nn.MaxPool2d(2),
        )  # fmt: skip
        rows, columns = (((side + 1) // 2) // 8 for side in (height, width))
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(128 * rows * columns, 128), nn.ReLU(), nn.Linear(128, outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (n, outputs) of images (n, channels, height, width)."""
        scores: Tensor = self.classifier(self.features(images))
        return scores


def _block(before: int, units: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(before, units, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(units),
        nn.ReLU(),
    ]


__all__ = ["SmallCNN"]
