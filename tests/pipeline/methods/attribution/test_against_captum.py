"""Explanations are those of captum, where it is right."""

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.pipeline.methods.attribution.explainers.grad_cam import GradCam
from filterscope.pipeline.methods.attribution.explainers.gradients import Gradient, IntegratedGradients
from filterscope.pipeline.methods.attribution.explainers.occlusion import Occlusion
from filterscope.pipeline.methods.attribution.explainers.passes import prepared
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import channels_last

attr = pytest.importorskip("captum.attr")

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 50, 46, 3), np.uint8)
CLASSES, SEEDS = np.array([2, 0, 4]), np.zeros(3, np.uint64)


def small():
    """Strides, an in-place ReLU behind the layer, and a head."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 5),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_weights(name):
    return open_model(ModelSpec(f"torchvision:{name}@random:0")).module


@pytest.fixture(scope="module")
def network():
    return network_of(small())


def network_of(module):
    values = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255, torch.full((1, 3, 1, 1), 58.0)
    taps = Taps(channels_last(module.eval().requires_grad_(False), "cpu"), ())
    return Network(taps, (), 4, 1.0, "cpu", *values)


@pytest.fixture
def batch(network):
    return next(batch for _, batch in prepared(network, PIXELS))


@pytest.mark.parametrize(
    ("build", "layer"),
    [(small, "0"), (small, "2"), (lambda: random_weights("squeezenet1_1"), "features.12"),
     (lambda: random_weights("mobilenet_v2"), "features.18")],
    ids=["small-0", "small-2", "squeezenet1_1", "mobilenet_v2"],
)  # fmt: skip
def test_grad_cam_is_that_of_captum_bit_for_bit_before_its_relu(build, layer):
    pixels = PIXELS if build is small else np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), np.uint8)
    network = network_of(build())
    module = network.taps.module
    ours = GradCam(layer)(network, pixels, CLASSES, SEEDS).maps
    batch = next(batch for _, batch in prepared(network, pixels)).requires_grad_()
    for part in module.modules():
        part.inplace = False  # captum sees what an in-place module leaves behind
    theirs = attr.LayerGradCam(module, module.get_submodule(layer)).attribute(
        batch, torch.from_numpy(np.append(CLASSES, 0)), relu_attributions=False
    )
    assert np.abs(ours).max() > 0
    np.testing.assert_array_equal(ours, theirs[:3, 0].detach().numpy())


@pytest.mark.parametrize(("window", "stride"), [(32, 8), (60, 60), (90, 37)])
def test_occlusion_is_that_of_captum(network, batch, window, stride):
    ours = Occlusion(window, stride)(network, PIXELS, CLASSES, SEEDS).maps
    side, step = round(window * 46 / 224), round(stride * 46 / 224)
    theirs = attr.Occlusion(network.taps.module).attribute(
        batch[:3], (3, side, side), (3, step, step), target=torch.from_numpy(CLASSES)
    )
    np.testing.assert_allclose(ours, theirs[:, 0].numpy(), atol=1e-4 * np.abs(ours).max())


def test_integrated_gradients_are_those_of_captum(network, batch):
    ours = IntegratedGradients(window=1)(network, PIXELS, CLASSES, SEEDS).maps
    theirs = attr.IntegratedGradients(network.taps.module).attribute(
        batch[:3], target=torch.from_numpy(CLASSES), n_steps=32, method="riemann_middle"
    )
    np.testing.assert_allclose(ours, theirs.sum(1).numpy(), atol=1e-5 * np.abs(ours).max())


def test_gradient_times_input_is_that_of_captum(network, batch):
    ours = Gradient(window=1)(network, PIXELS, CLASSES, SEEDS).maps
    theirs = attr.InputXGradient(network.taps.module).attribute(
        batch[:3].requires_grad_(), target=torch.from_numpy(CLASSES)
    )
    np.testing.assert_allclose(ours, theirs.sum(1).detach().numpy(), atol=1e-6 * np.abs(ours).max())


def test_integrated_gradients_add_up_to_the_difference_of_scores(network):
    """Of a network without kinks between the mean colour and the image they do exactly; here nearly."""
    ours = IntegratedGradients(steps=128, window=1)(network, PIXELS, CLASSES, SEEDS).maps.sum((1, 2))
    with torch.inference_mode():
        colour = network.taps.module(torch.zeros(1, 3, 50, 46))[0, CLASSES].numpy()
    expected = network.scores(PIXELS)[range(3), CLASSES] - colour
    np.testing.assert_allclose(ours, expected, atol=1e-2 * np.abs(expected).max())
