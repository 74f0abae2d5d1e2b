"""A network that looks at one place, and images that show there, among much else, what it looks for."""

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps

#: Height and width of its images, pixels, and the first row and column of its filter.
SIZE, PLACE = 40, (21, 10)
#: Rows and columns of the filter.
FIELD = 5
_CONTRAST = 40.0


def pattern() -> np.ndarray:
    """Return the filter: 12 times 1, 12 times -1 and a 0 in the middle."""
    signs = np.random.default_rng(5).permutation(np.repeat([-1.0, 1.0], 12))
    return np.insert(signs, 12, 0.0).reshape(FIELD, FIELD)


class OnePlace(nn.Module):
    """Score 0 is one filter at one place; score 1 is 0. With the pattern there the probability is .95, without .05."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(3, 1, FIELD)
        with torch.no_grad():
            weight = torch.from_numpy(pattern()).float() / (3 * 24 * _CONTRAST / 127.5)
            self.filter.weight[:] = 6.0 * weight
            self.filter.bias[:] = -3.0

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, SIZE, SIZE) to (N, 2)."""
        score = self.filter(x)[:, :, PLACE[0], PLACE[1]]
        return torch.cat([score, torch.zeros_like(score)], 1)


def network(batch_size: int = 64) -> Network:
    """Put it in place, with an input from -1 to 1."""
    half = torch.full((1, 3, 1, 1), 127.5)
    return Network(Taps(OnePlace().eval().requires_grad_(False), ()), (), batch_size, 1.0, "cpu", half, half)


def images(count: int, seed: int = 0) -> np.ndarray:
    """Draw images of coloured tiles under random texture, which is the pattern at the place: (count, SIZE, SIZE, 3)."""
    random = np.random.default_rng(seed)
    colours = random.uniform(60, 195, (count, SIZE // 8, SIZE // 8, 3)).repeat(8, 1).repeat(8, 2)
    texture = random.choice([-1.0, 1.0], (count, SIZE, SIZE))
    texture[:, PLACE[0] : PLACE[0] + FIELD, PLACE[1] : PLACE[1] + FIELD] = pattern()
    return (colours + _CONTRAST * texture[..., None]).round().astype(np.uint8)


def points_there(maps: np.ndarray, tolerance: int = 0) -> np.ndarray:
    """Tell for each map whether its largest value lies in the field, or so many pixels beside it."""
    row, column = np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[1:])
    return np.logical_and(
        *(
            (at >= first - tolerance) & (at < first + FIELD + tolerance)
            for at, first in zip((row, column), PLACE, strict=True)
        )
    )
