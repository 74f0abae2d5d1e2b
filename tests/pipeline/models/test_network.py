"""A network gives maps and class scores in batches of one shape, and is the one that was planned."""

from collections import namedtuple
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.model import BATCH_NORM_IMAGES, open_model, reestimate_batch_norm
from filterscope.pipeline.models.network import Identity, Network
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import normalisation, prepare
from tests.factories import SharedReLU, cifar_resnet20

SIDE = 32
RESNET20 = ModelSpec("factory:tests.factories:cifar_resnet20", input_size=SIDE)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def identity(spec: ModelSpec) -> Identity:
    model = open_model(spec)
    return Identity(model.weights_sha256, model.transform, model.name)


def opened(spec: ModelSpec = RESNET20, layers: tuple[str, ...] = ("layer1", "layer3"), **options: object) -> Network:
    return Network.open(spec, layers=layers, expected=identity(spec), **{"batch_size": 4, **options})


def around(module: nn.Module, layers: tuple[str, ...] = (), batch_size: int = 4) -> Network:
    """Put a network of one's own in place, with an input from -1 to 1."""
    mean = torch.full((1, 3, 1, 1), 127.5)
    module = module.eval().requires_grad_(False)
    return Network(Taps(module, layers), layers, batch_size, 1.0, "cpu", mean, mean)


@pytest.fixture(scope="module")
def network() -> Network:
    return opened()


def by_hand(pixels: np.ndarray, batch_size: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Run whole batches of the network, padded with black images, and keep the real ones."""
    model = open_model(RESNET20)
    module, (mean, std) = model.module.to(memory_format=torch.channels_last), normalisation(model, "cpu")
    kept: dict[str, list[Tensor]] = {"layer1": [], "layer3": [], "scores": []}
    handles = [
        module.get_submodule(name).register_forward_hook(lambda *a, name=name: kept[name].append(a[2].clone()))
        for name in ("layer1", "layer3")
    ]
    black = np.zeros((-len(pixels) % batch_size, *pixels.shape[1:]), np.uint8)
    full = np.concatenate([pixels, black])
    with torch.inference_mode():
        for start in range(0, len(full), batch_size):
            kept["scores"].append(module(prepare(full[start : start + batch_size], mean, std, "cpu")))
    for handle in handles:
        handle.remove()
    found = {name: torch.cat(parts)[: len(pixels)].numpy() for name, parts in kept.items()}
    return {name: found[name].astype(np.float16) for name in ("layer1", "layer3")}, found["scores"]


def test_maps_and_scores_are_those_of_padded_batches_bit_for_bit(network: Network) -> None:
    pixels = pictures(7)
    maps, scores = by_hand(pixels, 4)
    found = network.maps(pixels)
    assert list(found) == ["layer1", "layer3"]
    assert found["layer3"].shape == (7, 64, 8, 8)
    assert all(found[layer].dtype == np.float16 and np.array_equal(found[layer], maps[layer]) for layer in maps)
    assert scores.dtype == np.float32
    assert np.array_equal(network.scores(pixels), scores)
    both, together = network.maps_and_scores(pixels)
    assert np.array_equal(together, scores)
    assert all(np.array_equal(both[layer], maps[layer]) for layer in maps)


def test_images_between_grey_levels_stay_as_they_are(network: Network) -> None:
    """Whole batches were normalised where they lay."""
    pixels = pictures(8)
    between = pixels.astype(np.float32)
    assert np.array_equal(network.scores(between), network.scores(pixels))
    assert np.array_equal(between, pixels)


def test_an_image_has_the_same_bits_in_any_block(network: Network) -> None:
    pixels = pictures(9)
    maps, scores = network.maps_and_scores(pixels)
    for image in (0, 5, 8):
        assert np.array_equal(network.maps(pixels[image : image + 1])["layer3"][0], maps["layer3"][image])
        assert np.array_equal(network.scores(pixels[image : image + 1])[0], scores[image])


def test_no_image_gives_nothing(network: Network) -> None:
    assert network.maps(pictures(0)) == {}
    assert network.scores(pictures(0)).size == 0


def test_maps_alone_end_the_pass_early_and_scores_do_not() -> None:
    class Counting(SharedReLU):
        passes = 0

        def forward(self, x: Tensor) -> Tensor:
            found = super().forward(x)
            self.passes += 1
            return found

    module = Counting()
    network = around(module, ("conv1",))
    network.maps(pictures(5))
    assert module.passes == 0
    network.maps_and_scores(pictures(5))
    assert module.passes == 2


def test_maps_are_times_the_activation_scale() -> None:
    pixels = pictures(3)
    plain, scaled = opened().maps(pixels), opened(scale=0.25).maps(pixels)
    module = open_model(RESNET20)
    maps = Taps(module.module.to(memory_format=torch.channels_last), ["layer3"])
    padded = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    exact = maps(prepare(padded, *normalisation(module, "cpu"), "cpu"))["layer3"][:3].numpy()
    assert np.array_equal(plain["layer3"], exact.astype(np.float16))
    assert np.array_equal(scaled["layer3"], (exact * 0.25).astype(np.float16))


def test_exact_maps_have_the_axes_of_the_maps() -> None:
    class ChannelsLast(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :, ::4].permute(0, 2, 3, 1)

    taps = Taps(nn.Sequential(ChannelsLast()).eval(), ("0",), layouts={"0": "nhwc"})
    mean = torch.full((1, 3, 1, 1), 127.5)
    network = Network(taps, ("0",), 4, 1.0, "cpu", mean, mean)
    exact, stored = (given(pictures(3))["0"] for given in (network.exact, network.maps))
    assert exact.shape == (3, 3, SIDE // 4, SIDE)
    assert exact.dtype == np.float32
    assert np.array_equal(exact.astype(np.float16), stored)


def test_a_network_of_other_weights_or_preprocessing_is_refused() -> None:
    planned = identity(RESNET20)
    for expected in (
        Identity("0" * 64, planned.transform, "planned"),
        Identity(planned.weights_sha256, open_model(ModelSpec(RESNET20.source)).transform, "planned"),
    ):
        with pytest.raises(RunError, match="planned changed since the run was planned; give the same weights"):
            Network.open(RESNET20, layers=("layer1",), expected=expected, batch_size=2)


def test_a_factory_is_called_where_its_module_cannot_be_imported() -> None:
    spec = ModelSpec("factory:not.importable:here", name="mine", input_size=SIDE)
    planned = identity(RESNET20)
    network = Network.open(spec, layers=("layer1",), expected=planned, batch_size=4, factory=cifar_resnet20)
    assert np.array_equal(network.scores(pictures(2)), opened().scores(pictures(2)))


def test_a_random_network_settles_its_batch_norm_on_the_first_images_alone() -> None:
    spec = ModelSpec("factory:tests.factories:cifar_resnet20@random:3", input_size=SIDE)
    pixels, read = pictures(BATCH_NORM_IMAGES + 30), []

    def views() -> object:
        for image in pixels:
            read.append(len(read))
            yield image

    network = opened(spec, first_views=views())
    assert len(read) == BATCH_NORM_IMAGES
    model = open_model(spec)
    batch = prepare(pixels[:BATCH_NORM_IMAGES], *normalisation(model, "cpu"), "cpu")
    reestimate_batch_norm(model.module, torch.split(batch, 32))
    for name, value in model.module.state_dict().items():
        assert torch.equal(network.taps.module.state_dict()[name], value)
    with pytest.raises(InputError, match="need images, and none could be decoded"):
        opened(spec)
    unread = iter(pixels)
    opened(RESNET20, first_views=unread)
    assert len(list(unread)) == len(pixels)


Outputs = namedtuple("Outputs", ("logits", "aux_logits"))
SCORES = torch.arange(6.0).view(2, 3)
MAPS = torch.zeros(2, 3, 4, 4)


class Answer:
    """What networks of text libraries return."""

    logits = SCORES


@pytest.mark.parametrize(
    "output",
    [
        SCORES,
        SCORES[:, :, None, None],
        Outputs(SCORES, MAPS),
        (SCORES, MAPS),
        {"logits": SCORES},
        {"out": SCORES},
        Answer(),
    ],
    ids=lambda output: type(output).__name__,
)
def test_scores_are_found_in_what_networks_return(output: object) -> None:
    assert torch.equal(scores_of(output), SCORES)


@pytest.mark.parametrize(
    ("output", "received"),
    [
        (MAPS, "a tensor (2, 3, 4, 4)"),
        ({"out": MAPS, "aux": MAPS}, "a dict of out: a tensor (2, 3, 4, 4), aux: a tensor (2, 3, 4, 4)"),
        ([], "a list of nothing"),
        (SCORES[0], "a tensor (3,)"),
        ("text", "a str"),
    ],
)
def test_an_output_without_scores_is_refused(output: object, received: str) -> None:
    with pytest.raises(InputError) as error:
        scores_of(output)
    assert str(error.value).startswith(f"the network returns {received}, which holds no class scores (N, classes)")


@pytest.mark.parametrize("architecture", ["inception_v3", "googlenet"])
def test_networks_with_auxiliary_heads_have_scores(architecture: str) -> None:
    spec = ModelSpec(f"torchvision:{architecture}@random:0", input_size=96)
    images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8)
    network = opened(spec, (), batch_size=2, first_views=images)
    scores = network.scores(images)
    assert scores.shape == (4, 1000)
    assert (scores.std(axis=0) > 0).all()


def raised(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


def test_a_segmentation_has_no_scores_but_maps() -> None:
    class Segmentation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Conv2d(3, 5, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": self.classifier(x)}

    network = around(Segmentation(), ("classifier",))
    assert "a dict of out: a tensor (4, 5, 32, 32)" in raised(lambda: network.scores(pictures(2)))
    assert network.maps(pictures(2))["classifier"].shape == (2, 5, 32, 32)
