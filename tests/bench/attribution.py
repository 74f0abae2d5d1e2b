"""A row about what Grad-CAM of a zoo costs beside its forward passes."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from tests.bench.real import RowSkippedError, image_files
from tests.bench.row import Row, interleaved

#: Networks, and the layer of each whose maps are explained.
_ZOO = {
    "squeezenet1_1": "features.12",
    "mobilenet_v2": "features.18",
    "mnasnet1_0": "layers.16",
    "shufflenet_v2_x1_0": "conv5",
}
_IMAGES, _BATCH = 64, 32


def attribution_over_forward() -> Iterator[Row]:
    """Compare the processor time of Grad-CAM of the predicted class with that of the forward passes alone."""
    from filterscope.pipeline.methods.attribution.explainers import made
    from filterscope.pipeline.methods.outputs.targets import best_among

    pixels, seeds = _pixels(), np.zeros(_IMAGES, np.uint64)
    forward = explained = 0.0
    for name, layer in _ZOO.items():
        network, explain = _network(name), made("grad_cam", layer=layer)

        def whole(network=network, explain=explain) -> None:
            explain(network, pixels, best_among(network.scores(pixels), "predicted"), seeds)

        own, both = interleaved([partial(network.scores, pixels), whole], repeats=3)
        forward, explained = forward + own, explained + both
    peer = f"{forward:.1f} processor s of forward passes of {len(_ZOO)} networks on {_IMAGES} images"
    yield Row("attribution_over_forward", explained, "processor s", peer, explained / forward, "<= 3.5")


def _pixels() -> np.ndarray:
    from filterscope.pipeline.views.decode import decode
    from filterscope.pipeline.views.geometry import Geometry

    files = image_files()[:_IMAGES]
    if len(files) < _IMAGES:
        raise RowSkippedError(f"{len(files)} images, of which {_IMAGES} are needed")
    return decode(files, Geometry("squash", (224, 224), 256, "bilinear")).pixels


def _network(name: str):
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.network import Identity, Network
    from filterscope.pipeline.models.spec import ModelSpec

    spec = ModelSpec(f"torchvision:{name}@random:0")
    model = open_model(spec)
    expected = Identity(model.weights_sha256, model.transform, model.name)
    return Network.open(spec, layers=(), expected=expected, batch_size=_BATCH, first_views=_pixels()[:_BATCH])
