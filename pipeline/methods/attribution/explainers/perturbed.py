"""Probabilities of altered copies of an image, which are made on the device batch by batch and never kept."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers.passes import scores_of_copies
from filterscope.pipeline.models.network import Network

#: Makes the copies of a range of numbers: normalised, of shape (copies, channels, height, width), on the network's device.
Copies = Callable[[range], Tensor]


def probabilities(network: Network, count: int, copies: Copies, target: int) -> tuple[np.ndarray, int]:
    """Return the softmax probability of a class on copies of an image.

    Parameters
    ----------
    network : Network
        The network; every pass has its batch size, the last one padded with zeros.
    count : int
        How many copies there are.
    copies : callable
        Makes some of them.
    target : int
        The class.

    Returns
    -------
    float64 ndarray of shape (count,), int
        The probabilities, and how many classes the network scores.

    Raises
    ------
    InputError
        If the network does not score that class.
    """
    scores = scores_of_copies(network, lambda first, last: copies(range(first, last)), count)
    return probability(torch.from_numpy(scores), target).numpy(), scores.shape[1]


def probability(scores: Tensor, targets: int | Tensor) -> Tensor:
    """Return the softmax probabilities, float64 of shape (n,), of one class or of one for each row of scores (n, classes).

    Raises
    ------
    InputError
        If there is no score of a class.
    """
    rows, classes = scores.shape
    index = torch.as_tensor(targets, device=scores.device).expand(rows)
    strange = index[(index < 0) | (index >= classes)]
    if len(strange):
        raise InputError(f"class {int(strange[0])} cannot be explained: the network scores classes 0 to {classes - 1}")
    return scores.double().softmax(1).gather(1, index[:, None])[:, 0]


def padded(batch: Tensor, size: int) -> Tensor:
    """Return images as a channels-last batch of `size`, zeros behind them."""
    if len(batch) < size:
        batch = torch.cat([batch, batch.new_zeros((size - len(batch), *batch.shape[1:]))])
    return batch.contiguous(memory_format=torch.channels_last)


__all__ = ["Copies", "padded", "probabilities", "probability"]
