"""Everything that the measures of a layer need: held-out images, features, and pictures of the inverter and of controls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.upconvolution.controls import Ridge, nearest, others
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.extraction.networks import first_views
from filterscope.pipeline.methods.tasks import LayerTask, chosen_views
from filterscope.pipeline.methods.up_convolution.asked import pair_of, views_of
from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions
from filterscope.pipeline.models.architectures.inverter import Inverter
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.training.inverting import Frozen, inverters_in, opened, pictures, targets, untrained

#: What pictures come from: the inverter, and its controls in the order of pages.
INVERTER = "inverter"
CONTROLS = ("mean_image", "nearest", "ridge", "random_weights", "another")


@dataclass(frozen=True)
class Inverted:
    """A layer on n held-out views.

    Attributes
    ----------
    task : LayerTask
        The layer.
    network : Network
        The network, with the layer tapped.
    inverter : Inverter
        What makes pictures of its features.
    views : int64 ndarray of shape (n,)
        The views.
    images : float32 ndarray of shape (n, height, width, 3)
        The images from 0 to 1, grey where the network sees them so.
    features : float32 ndarray of shape (n, C, h, w)
        The layer on them.
    made : mapping of str to float32 ndarray of shape (n, height, width, 3)
        Pictures by where they come from.
    """

    task: LayerTask
    network: Network
    inverter: Inverter
    views: np.ndarray
    images: np.ndarray
    features: np.ndarray
    made: Mapping[str, np.ndarray]

    @cached_property
    def seed(self) -> int:
        """Seed of what is drawn for the layer."""
        return seed_of("up-convolution", self.task.model.weights_sha256, self.task.layer.name)

    def seen(self, images: np.ndarray) -> np.ndarray:
        """Return the layer on images or pictures (n, height, width, 3) from 0 to 1."""
        return self.network.exact(np.ascontiguousarray(images * 255, np.float32))[self.task.layer.name]

    def inverted(self, features: np.ndarray) -> np.ndarray:
        """Return what the inverter makes of features (n, C, h, w)."""
        return pictures(self.inverter, features, self.task.plan.options.device)


def inverted(task: LayerTask, network: Network) -> Inverted:
    """Open the inverters of a layer and have them, and all controls, make their pictures.

    Raises
    ------
    RunError
        If fewer than two held-out or training views could be decoded.
    """
    plan, layer, device = task.plan, task.layer.name, task.plan.options.device
    where = plan.of(UpConvolutionOptions).inverters or ""
    own, control = pair_of(plan, task.model, task.layer, inverters_in(Path(where)), where)
    inverter, other = opened(own, device), opened(control, device)
    colours = len(inverter.mean_image)
    (learned, _), (images, views) = (_decoded(task, rows, colours) for rows in views_of(plan, own))
    pixels = (images * 255).astype(np.float32)
    features, known = network.exact(pixels)[layer], network.exact((learned * 255).astype(np.float32))[layer]
    spec, factory = untrained(task.model.spec), plan.factories.get(task.model.name)
    random = Frozen(spec, layer, device, first_views(plan, task.model), factory)
    made = {INVERTER: pictures(inverter, features, device), "random_weights": pictures(other, random(pixels), device)}
    flat, others_flat = features.reshape(len(features), -1), known.reshape(len(known), -1)
    ridge = Ridge(others_flat, learned.reshape(len(learned), -1))
    made["ridge"] = ridge(flat).reshape(images.shape).clip(0, 1).astype(np.float32)
    made["nearest"] = learned[nearest(flat, others_flat)]
    seed = seed_of("another of up-convolution", plan.data_identity)
    made["another"] = made[INVERTER][others(len(images), seed)]
    mean = inverter.mean_image.cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()
    made["mean_image"] = np.broadcast_to(mean, images.shape).astype(np.float32)
    return Inverted(task, network, inverter, views, images, features, made)


def _decoded(task: LayerTask, rows: np.ndarray, colours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return views from 0 to 1 as the network sees them, and which of them could be decoded."""
    decoded = chosen_views(task.plan, task.model, rows.tolist())
    good = np.array([not reason for reason in decoded.reasons])
    if good.sum() < 2:
        raise RunError("fewer than two views of those that are inverted, or of those of the controls, could be decoded")
    shown = targets(decoded.pixels[good], colours).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return np.ascontiguousarray(shown.numpy()), rows[good]


#: A measure of pictures (n, height, width, 3), for the images of an `Inverted`; float64 of shape (n,).
Measure = Callable[[np.ndarray], np.ndarray]

__all__ = ["CONTROLS", "INVERTER", "Inverted", "Measure", "inverted"]
