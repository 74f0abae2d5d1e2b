"""From decoded images to what a network takes in: batches of one shape, normalised, channels last."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.pipeline.models.model import Model


def normalisation(model: Model, device: str) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation in the scale 0..255, each of shape (1, 3, 1, 1)."""
    values = (model.transform.mean, model.transform.std)
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1) * 255.0 for v in values)
    return mean, std


def prepare(pixels: np.ndarray, mean: Tensor, std: Tensor, device: str) -> Tensor:
    """Return images (uint8, shape (n, height, width, 3)) as a normalised channels-last batch (n, 3, height, width)."""
    batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
    return batch.sub_(mean).div_(std)


def padded_batches(values: np.ndarray, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Cut an array of n items into batches of `size`, the last one padded with zeros.

    Yields
    ------
    slice, ndarray of shape (size, ...)
        The items that the batch holds first, and the batch.
    """
    for start in range(0, len(values), size):
        here = values[start : start + size]
        padded = np.zeros((size, *values.shape[1:]), values.dtype)
        padded[: len(here)] = here
        yield slice(start, start + len(here)), padded


def channels_last(module: nn.Module, device: str) -> nn.Module:
    """Return a network on a device, its weights in the memory format in which convolutions are fast."""
    return module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs lack it


__all__ = ["channels_last", "normalisation", "padded_batches", "prepare"]
