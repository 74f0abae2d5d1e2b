"""Class scores without some units: their maps are set to 0 where the rest of the network reads them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.models.gradients import tapped_for
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.tensors import padded_batches, prepare


@torch.inference_mode()
def scores_without(network: Network, pixels: np.ndarray, layer: str, units: np.ndarray) -> np.ndarray:
    """Return the class scores of images when some units of a layer are silent.

    Parameters
    ----------
    network : Network
        The network.
    pixels : uint8 ndarray of shape (n, height, width, 3)
        Decoded images.
    layer : str
        Name of the layer.
    units : int64 ndarray of shape (k,)
        Its units whose maps are set to 0, of the rotated ones where the spec has a basis.

    Returns
    -------
    float32 ndarray of shape (n, classes)
        Before any softmax; of no class where there is no image.

    Raises
    ------
    InputError
        If the layer is not in the network, or the network returns no class scores.
    """
    taps = tapped_for(network.taps, (layer,))

    def silenced(name: str, output: Any) -> Tensor | None:
        return taps.silenced(name, output, units) if name == layer else None

    found = []
    for rows, padded in padded_batches(pixels, network.batch_size):
        batch = prepare(padded, network.mean, network.std, network.device)
        scores = scores_of(taps.run(batch, silenced, whole=True)).float()
        found.append(scores[: rows.stop - rows.start].cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


__all__ = ["scores_without"]
