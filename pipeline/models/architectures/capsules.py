"""Capsules with dynamic routing, as Sabour, Frosst and Hinton (2017) and their release have them, and a decoder above them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

#: Added to a square before its root, whose derivative at 0 is infinite.
TINY = 1e-9
#: Of both convolutions; coordinates of a primary capsule; of a capsule of a class.
_KERNEL, _PRIMARY, _CLASS = 9, 8, 16
#: Spread of the first transformations, and first bias of every capsule.
_SPREAD, _BIAS = 0.1, 0.1
_HIDDEN = 512, 1024


def lengths(vectors: Tensor) -> Tensor:
    """Return the lengths (...,) of vectors (..., dims)."""
    return (vectors.square().sum(-1) + TINY).sqrt()


def squash(vectors: Tensor) -> Tensor:
    """Return vectors (..., dims) of the same direction, their length r become r^2 / (1 + r^2)."""
    length = lengths(vectors)[..., None]
    return vectors * length / (1 + length.square())


def routed(votes: Tensor, bias: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Let primary capsules choose, by agreement, which classes they vote for.

    Parameters
    ----------
    votes : Tensor of shape (n, classes, primary, dims)
        What each primary capsule says that the capsule of each class is.
    bias : Tensor of shape (classes, dims)
        Added to the sum of the votes.
    iterations : int
        Of routing. The first finds all classes equally likely, so that 1 and 0 are uniform coupling.

    Returns
    -------
    Tensor of shape (n, classes, dims)
        The capsules of the classes.
    Tensor of shape (n, classes, primary)
        Coupling: how much each vote counts; the sum over classes is 1.
    """
    logits = votes.new_zeros(votes.shape[:3])
    for left in reversed(range(max(iterations, 1))):
        coupling = logits.softmax(dim=1)
        capsules = squash((coupling[:, :, None] @ votes)[:, :, 0] + bias)
        if left:
            logits = logits + (votes @ capsules[..., None])[..., 0]
    return capsules, coupling


@dataclass(frozen=True)
class Routing:
    """What a network routed.

    Attributes
    ----------
    votes : Tensor of shape (n, classes, primary, dims)
        What primary capsules say; those of a type are beside one another.
    coupling : Tensor of shape (n, classes, primary)
        How much each vote counts.
    capsules : Tensor of shape (n, classes, dims)
        Those of the classes.
    """

    votes: Tensor
    coupling: Tensor
    capsules: Tensor


class CapsNet(nn.Module):
    """A convolution, primary capsules, a capsule for each class, and a decoder of three layers.

    Scores are the lengths of the capsules, from 0 to 1. It is an encoder whose groups are the classes, and a decoder.

    Parameters
    ----------
    outputs : int
        Classes.
    height, width : int
        Size of its input in pixels, 17 or more.
    filters : int
        Of the convolution.
    types : int
        Of primary capsules at each position.
    routing : int
        Iterations.
    """

    def __init__(
        self,
        outputs: int,
        height: int,
        width: int,
        filters: int = 256,
        types: int = 32,
        routing: int = 3,
    ) -> None:
        rows, columns = ((side - 2 * _KERNEL + 1) // 2 + 1 for side in (height, width))
        if min(rows, columns) < 1:
            raise ValueError(f"an input of {height} x {width} is smaller than {2 * _KERNEL - 1} x {2 * _KERNEL - 1}")
        super().__init__()
        self.outputs, self.types, self.routing = outputs, types, routing
        self._size = height, width
        self.features = nn.Sequential(nn.Conv2d(1, filters, _KERNEL), nn.ReLU())
        self.primary = nn.Conv2d(filters, types * _PRIMARY, _KERNEL, stride=2)
        self.transformations = nn.Parameter(torch.empty(types * rows * columns, _PRIMARY, outputs * _CLASS))
        nn.init.trunc_normal_(self.transformations, std=_SPREAD, a=-2 * _SPREAD, b=2 * _SPREAD)
        self.bias = nn.Parameter(torch.full((outputs, _CLASS), _BIAS))
        first, second = _HIDDEN
        self.decoder = nn.Sequential(
            nn.Linear(outputs * _CLASS, first), nn.ReLU(),
            nn.Linear(first, second), nn.ReLU(),
            nn.Linear(second, height * width), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Return the lengths (n, classes) of the capsules of images (n, 1, height, width) from 0 to 1."""
        return lengths(self.codes(images))

    def codes(self, images: Tensor) -> Tensor:
        """Return the capsules (n, classes, 16) of images."""
        return self.route(images).capsules

    def route(self, images: Tensor) -> Routing:
        """Return votes, coupling and capsules of images."""
        primary = self.primary(self.features(images)).reshape(len(images), self.types, _PRIMARY, -1)
        vectors = squash(primary.transpose(2, 3).flatten(1, 2))  # (n, primary, 8)
        votes = torch.bmm(vectors.transpose(0, 1), self.transformations)
        votes = votes.view(*votes.shape[:2], self.outputs, _CLASS).permute(1, 2, 0, 3).contiguous()
        capsules, coupling = routed(votes, self.bias, self.routing)
        return Routing(votes, coupling, capsules)

    def decode(self, codes: Tensor, group: int | Tensor) -> Tensor:
        """Return images (n, 1, height, width) from 0 to 1, of capsules (n, 16) of one class, or of a class each."""
        of_class = torch.as_tensor(group, device=codes.device).expand(len(codes))
        told = torch.eye(self.outputs, dtype=codes.dtype, device=codes.device)[of_class]
        masked = told[:, :, None] * codes[:, None]
        images: Tensor = self.decoder(masked.flatten(1)).view(-1, 1, *self._size)
        return images


__all__ = ["TINY", "CapsNet", "Routing", "lengths", "routed", "squash"]
