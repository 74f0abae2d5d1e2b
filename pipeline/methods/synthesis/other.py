"""Another network that pictures are shown to: whether they show a unit, or fool the network that they were made for."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from filterscope.pipeline.models.stated import stated_spec
from filterscope.pipeline.training.inverting import Frozen


class Other:
    """A layer of another network, on images of any size.

    Parameters
    ----------
    text : str
        The network, as an option names it.
    layer : str
        The layer.
    device : str
        cpu or cuda.
    """

    def __init__(self, text: str, layer: str, device: str) -> None:
        self._layer = Frozen(stated_spec(text), layer, device)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float32 features (n, C, h, w) of images (n, height, width, 3) from 0 to 255, resized to its input."""
        size = self._layer.transform.input_size
        if images.shape[1:3] != size:
            moved = torch.from_numpy(np.moveaxis(images, 3, 1).copy())
            moved = interpolate(moved, size, mode="bilinear", antialias=True)
            images = np.ascontiguousarray(np.moveaxis(moved.numpy(), 1, 3))
        return self._layer(images)


__all__ = ["Other"]
