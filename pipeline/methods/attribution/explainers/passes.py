"""What explainers share: batches of prepared images, the score of a class, and the scores of changed copies of an image."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.tensors import padded_batches, prepare

#: Side of the input for which sizes in pixels are meant; they grow with it.
SIDE = 224


def scaled(pixels: int, height: int, width: int) -> int:
    """Return a size that is meant for inputs of 224 x 224, such as a window's side, for another: in proportion, at least 1."""
    return max(round(pixels * min(height, width) / SIDE), 1)


def odd(size: int) -> int:
    """Return the next odd number."""
    return size + 1 - size % 2


def prepared(network: Network, pixels: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
    """Yield the images of each batch, and the normalised batch (batch_size, C, H, W) of which they come first."""
    for rows, padded in padded_batches(pixels, network.batch_size):
        yield rows, prepare(padded, network.mean, network.std, network.device)


def class_score(scores: Tensor, taps: Mapping[str, Tensor], classes: Any) -> Tensor:
    """Return the score of the class of each image: what `gradients_of` differentiates, with classes for targets."""
    index = torch.from_numpy(np.ascontiguousarray(classes)).to(scores.device)
    return scores.gather(1, index[:, None])[:, 0]


@torch.inference_mode()
def scores_of_copies(network: Network, copies: Callable[[int, int], Tensor], count: int) -> np.ndarray:
    """Return the class scores of many changed copies of one image.

    Parameters
    ----------
    network : Network
        The network.
    copies : callable
        ``copies(first, last)`` makes copies [first, last), a normalised tensor (last - first, C, H, W).
    count : int
        Copies in all; their batches depend on nothing else.

    Returns
    -------
    float32 ndarray of shape (count, classes)
    """
    found = []
    for first in range(0, count, network.batch_size):
        last = min(first + network.batch_size, count)
        made = copies(first, last)
        batch = made.new_zeros((network.batch_size, *made.shape[1:]))
        batch[: last - first] = made
        output = network.taps.module(batch.contiguous(memory_format=torch.channels_last))
        found.append(scores_of(output)[: last - first].float().cpu().numpy())
    return np.concatenate(found)


__all__ = ["class_score", "odd", "prepared", "scaled", "scores_of_copies"]
