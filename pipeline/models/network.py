"""A network ready for a run: fixed batches of decoded images in, float16 maps of the tapped layers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.models.model import BATCH_NORM_IMAGES, Model, open_model, reestimate_batch_norm
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.decode import decode_views
from filterscope.pipeline.views.geometry import Geometry

_BATCH_NORM_BATCH = 32


@dataclass
class Forward:
    """Runs a network on decoded images; every pass has one batch shape, the last batch zero-padded.

    Float results depend on the shape of the batch, so it is part of the extract fingerprint.
    """

    taps: Taps
    layers: tuple[str, ...]
    batch_size: int
    scale: float
    device: str
    mean: Tensor
    std: Tensor

    @classmethod
    def open(
        cls, plan: Plan, planned: PlannedModel, layers: Sequence[str], factory: Callable[[], nn.Module] | None
    ) -> Self:
        """Open a planned network in a worker and check that it is the one that was planned."""
        model = open_model(planned.spec, factory)
        if (model.weights_sha256, model.transform) != (planned.weights_sha256, planned.transform):
            raise RunError(f"{planned.name} changed since the run was planned; give the same weights to all nodes")
        settle_batch_norm(model, plan)
        module = model.module.to(plan.options.device, memory_format=torch.channels_last)
        dtype = torch.float16 if plan.options.activation_scale == 1.0 else None
        return cls(
            Taps(module, tuple(layers), dtype=dtype, rotation=planned.spec.rotation),
            tuple(layers),
            planned.batch_size,
            plan.options.activation_scale,
            plan.options.device,
            *normalisation(model, plan.options.device),
        )

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the maps of a block of n images (uint8, shape (n, height, width, 3)).

        Returns
        -------
        dict of str to float16 ndarray of shape (n, units, h, w)
            Maps of each tapped layer, times the activation scale.
        """
        maps: dict[str, np.ndarray] = {}
        for start in range(0, len(pixels), self.batch_size):
            here = pixels[start : start + self.batch_size]
            for layer, values in self._batch(here).items():
                if layer not in maps:
                    maps[layer] = np.empty((len(pixels), *values.shape[1:]), np.float16)
                maps[layer][start : start + len(here)] = values[: len(here)]
        return maps

    @torch.inference_mode()
    def _batch(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        padded = np.zeros((self.batch_size, *pixels.shape[1:]), np.uint8)
        padded[: len(pixels)] = pixels
        tapped = self.taps(prepare(padded, self.mean, self.std, self.device))
        if self.scale != 1.0:
            tapped = {layer: (values * self.scale).to(torch.float16) for layer, values in tapped.items()}
        return {layer: values.cpu().numpy() for layer, values in tapped.items()}


def normalisation(model: Model, device: str) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation in the scale 0..255, each of shape (1, 3, 1, 1)."""
    values = (model.transform.mean, model.transform.std)
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1) * 255.0 for v in values)
    return mean, std


def prepare(pixels: np.ndarray, mean: Tensor, std: Tensor, device: str) -> Tensor:
    """Return images (uint8, shape (n, height, width, 3)) as a normalised channels-last batch (n, 3, height, width)."""
    batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
    return batch.sub_(mean).div_(std)


def settle_batch_norm(model: Model, plan: Plan) -> None:
    """Re-estimate the batch-norm statistics of a random network on the first views of the run."""
    if not model.needs_batch_norm:
        return
    mean, std = normalisation(model, "cpu")
    geometry = Geometry.of(model.transform, plan.options.geometry)

    good: list[np.ndarray] = []
    for start in range(0, plan.images, _BATCH_NORM_BATCH):
        if len(good) >= BATCH_NORM_IMAGES:
            break
        decoded = decode_views(plan, start, min(start + _BATCH_NORM_BATCH, plan.images), geometry)
        good += [pixels for pixels, reason in zip(decoded.pixels, decoded.reasons, strict=True) if not reason]
    # Batches weigh alike, so they are of one size unless there are few images.
    whole = max(len(good) // _BATCH_NORM_BATCH, 1) * _BATCH_NORM_BATCH
    batches = torch.split(prepare(np.stack(good[:whole]), mean, std, "cpu"), _BATCH_NORM_BATCH)
    reestimate_batch_norm(model.module, batches)


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
    taps = Taps(model.module.to(device, memory_format=torch.channels_last), tuple(layers), dtype=torch.float16)
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
