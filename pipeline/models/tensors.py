"""From decoded images to what a network takes in: batches of one shape, normalised, channels last."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.pipeline.models.model import Model

#: Shares of red, green and blue in a grey value, of ITU-R 601 as PIL takes them.
_GREY = (0.299, 0.587, 0.114)


def normalisation(model: Model, device: str) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation in the scale 0..255, each of shape (1, channels, 1, 1)."""
    values = (model.transform.mean, model.transform.std)
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device).view(1, -1, 1, 1) * 255.0 for v in values)
    return mean, std


def prepare(pixels: np.ndarray, mean: Tensor, std: Tensor, device: str) -> Tensor:
    """Return images as a normalised channels-last batch (n, channels, height, width).

    Images have the shape (n, height, width, 3): uint8, or float32 in the scale 0..255.
    """
    # a copy of float32 images too, which are normalised in place
    batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).to(torch.float32, copy=True)
    channels = mean.shape[1]
    if channels == 1:
        batch = sum(batch[:, number : number + 1] * share for number, share in enumerate(_GREY))  # type: ignore[assignment]
    elif channels != batch.shape[1]:
        batch = batch[:, [number % 3 for number in range(channels)]].contiguous(memory_format=torch.channels_last)
    return batch.sub_(mean).div_(std)


def grey(images: Tensor) -> Tensor:
    """Return the grey values, (n, height, width), of images of one or three channels, (n, channels, height, width)."""
    if images.shape[1] == 1:
        return images[:, 0]
    return sum(images[:, number] * share for number, share in enumerate(_GREY))  # type: ignore[return-value]


def pixel_gradients(gradients: np.ndarray, std: Tensor) -> np.ndarray:
    """Return gradients with respect to the images that `prepare` takes, from those with respect to what it returns.

    Parameters
    ----------
    gradients : float32 ndarray of shape (n, channels, height, width)
        With respect to the normalised batch.
    std : Tensor
        As of `normalisation`.

    Returns
    -------
    float64 ndarray of shape (n, height, width, 3)
        With respect to pixels in the scale 0..255.
    """
    by_channel = np.moveaxis(gradients / std.cpu().numpy().astype(np.float64), 1, 3)
    if by_channel.shape[3] == 1:
        return by_channel * np.array(_GREY)
    found = np.zeros((*by_channel.shape[:3], 3))
    for number in range(by_channel.shape[3]):
        found[..., number % 3] += by_channel[..., number]
    return found


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


__all__ = ["channels_last", "grey", "normalisation", "padded_batches", "pixel_gradients", "prepare"]
