"""How long a network takes for an image."""

from collections.abc import Sequence
from time import perf_counter, thread_time

import numpy as np
import torch

from filterscope.pipeline.models.model import Model
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import channels_last, normalisation, prepare


def seconds_an_image(
    model: Model, layers: Sequence[str], batch_sizes: Sequence[int], device: str = "cpu"
) -> dict[int, float]:
    """Time forward passes on black images, to the deepest of the layers.

    Returns
    -------
    dict of int to float
        Seconds an image, by batch size, the median of three: CPU time of one thread, or wall time where a GPU computes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    clock = thread_time if device == "cpu" else perf_counter
    taps = Taps(channels_last(model.module, device), tuple(layers), dtype=torch.float16)
    mean, std = normalisation(model, device)
    found: dict[int, float] = {}
    try:
        with torch.inference_mode():
            for size in batch_sizes:
                pixels, times = np.zeros((size, *model.transform.input_size, 3), np.uint8), []
                for _ in range(3):
                    began = clock()
                    for maps in taps(prepare(pixels, mean, std, device)).values():
                        maps.cpu()
                    times.append(clock() - began)
                found[size] = sorted(times)[1] / size
    finally:
        torch.set_num_threads(threads)
    return found


__all__ = ["seconds_an_image"]
