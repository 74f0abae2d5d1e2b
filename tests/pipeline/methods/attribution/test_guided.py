"""Guided backpropagation and guided Grad-CAM equal captum where it is right, and refuse what it answers wrongly."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers.guided import Deconvnet, Guided, GuidedGradCam, Saliency
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps

SIDE = 24
CLASSES, SEEDS = np.array([2, 0, 4, 2, 1, 3, 3]), np.arange(7, dtype=np.uint64)


def module(rectifier: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3, padding=1), rectifier(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), rectifier())
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)).eval().requires_grad_(False)


def around(network: nn.Module, batch_size: int = 4) -> Network:
    mean = torch.full((1, 3, 1, 1), 127.5)
    return Network(Taps(network, ()), (), batch_size, 1.0, "cpu", mean, mean)


def pictures(side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, side, side, 3), np.uint8)


def normalised(pixels: np.ndarray) -> torch.Tensor:
    batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    return batch.contiguous(memory_format=torch.channels_last).requires_grad_()


def mean_of_window(image: np.ndarray, side: int) -> np.ndarray:
    found, half = np.empty(image.shape), side // 2
    for row, column in np.ndindex(image.shape):
        found[row, column] = image[
            max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1
        ].mean()
    return found


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("largest", [False, True])
def test_guided_equals_captum(rule: str, largest: bool) -> None:
    attr = pytest.importorskip("captum.attr")
    pixels, method = pictures(), attr.GuidedBackprop if rule == "guided" else attr.Deconvolution
    found = Guided(rule=rule, window=1, largest=largest)(around(module()), pixels, CLASSES, SEEDS)
    slopes = method(module()).attribute(normalised(pixels), target=CLASSES.tolist()).detach().abs()
    expected = slopes.amax(1) if largest else slopes.sum(1)
    np.testing.assert_allclose(found.maps, expected.numpy(), rtol=1e-5, atol=1e-7)
    assert found.maps.dtype == np.float32
    assert found.passes == 3.0


def test_the_saliency_of_a_linear_layer_is_its_weights() -> None:
    """Exactly, in every image."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5)).eval().requires_grad_(False)
    found = Saliency(window=1)(around(linear), pictures(), CLASSES, SEEDS)
    expected = linear[1].weight[CLASSES].view(7, 3, SIDE, SIDE).abs().amax(1).numpy()
    assert np.array_equal(found.maps, expected)


def test_rules_have_names_of_their_own() -> None:
    network, pixels = around(module()), pictures()
    for named, ruled in ((Saliency(), Guided("saliency", largest=True)), (Deconvnet(), Guided("deconvnet"))):
        maps = named(network, pixels, CLASSES, SEEDS).maps
        assert np.array_equal(maps, ruled(network, pixels, CLASSES, SEEDS).maps)
        assert not np.array_equal(maps, Guided(largest=named.largest)(network, pixels, CLASSES, SEEDS).maps)


def test_guided_grad_cam_equals_captum() -> None:
    attr, pixels, network = pytest.importorskip("captum.attr"), pictures(), module()
    found = GuidedGradCam("3", window=1)(around(network), pixels, CLASSES, SEEDS)
    oracle = attr.GuidedGradCam(network, network[3])
    expected = oracle.attribute(normalised(pixels), target=CLASSES.tolist(), interpolate_mode="bilinear").detach()
    np.testing.assert_allclose(found.maps, expected.abs().sum(1).numpy(), rtol=1e-5, atol=1e-8)
    assert found.passes == 6.0


def test_the_window_grows_with_the_input() -> None:
    plain, smooth = (
        Guided(window=window)(around(module()), pictures(), CLASSES, SEEDS).maps for window in (1, 47)
    )  # 47 of 224 are 5 of 24
    expected = np.stack([mean_of_window(image, 5) for image in plain])
    np.testing.assert_allclose(smooth, expected, rtol=1e-5)


@pytest.mark.parametrize("explainer", [Guided(), GuidedGradCam("3")])
def test_no_map_depends_on_another_image(explainer: Guided | GuidedGradCam) -> None:
    network, pixels, order = around(module()), pictures(), np.array([6, 2, 0, 1, 5, 4, 3])
    whole = explainer(network, pixels, CLASSES, SEEDS).maps
    parts = [explainer(network, pixels[[n]], CLASSES[[n]], SEEDS[[n]]).maps for n in order]
    assert np.array_equal(np.concatenate(parts), whole[order])


def test_networks_without_plain_relu_get_guided_maps_or_words() -> None:
    capped = Guided(window=1)(around(module(nn.ReLU6)), pictures(), CLASSES, SEEDS).maps
    np.testing.assert_array_equal(capped, Guided(window=1)(around(module()), pictures(), CLASSES, SEEDS).maps)
    for explainer in (Guided, lambda **options: GuidedGradCam("3", **options)):
        with pytest.raises(InputError, match="the way back meets 2 SiLU"):
            explainer()(around(module(nn.SiLU)), pictures(), CLASSES, SEEDS)
        with pytest.raises(InputError, match="replaced 0 rectifiers"):
            explainer()(around(module(nn.Identity)), pictures(), CLASSES, SEEDS)
        with pytest.raises(InputError, match="the way back meets 2 SiLU"):
            explainer().check(module(nn.SiLU), torch.zeros(1, 3, SIDE, SIDE))
        explainer().check(module(nn.ReLU6), torch.zeros(1, 3, SIDE, SIDE))
        smooth = explainer(smooth_as_relu=True)(around(module(nn.SiLU)), pictures(), CLASSES, SEEDS).maps
        assert (smooth.max(axis=(1, 2)) > 0).all()


class Corner(nn.Module):
    """One score: how well one 5 x 5 filter matches about one place."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.conv, self.place = nn.Conv2d(3, 1, 5), (row, column)
        nn.init.constant_(self.conv.weight, 0.1)
        nn.init.constant_(self.conv.bias, 8.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        row, column = self.place
        return F.relu(self.conv(x))[:, :, row : row + 1, column : column + 1].flatten(1)


def test_a_planted_filter_at_one_place_is_pointed_at() -> None:
    rng, pixels = np.random.default_rng(0), pictures()
    for row, column in rng.integers(0, SIDE - 5, (5, 2)).tolist():
        network = around(Corner(row, column).eval().requires_grad_(False))
        for explainer in (Guided(), GuidedGradCam("conv")):
            maps = explainer(network, pixels, np.zeros(7, np.int64), SEEDS).maps
            peaks = np.array([np.unravel_index(image.argmax(), image.shape) for image in maps])
            assert (np.abs(peaks - (row + 2, column + 2)) <= 2).all()
