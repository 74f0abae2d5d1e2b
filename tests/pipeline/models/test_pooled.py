"""Pooled maps and gradients are the sums of whole ones; a silent unit is one whose map is 0."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.operators.numerics.basis import rotation
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.deletion import scores_without
from filterscope.pipeline.models.pooled import pooled_gradients
from filterscope.pipeline.models.taps import Taps
from tests.pipeline.models.test_network import around, pictures


def net(seed=0):
    torch.manual_seed(seed)
    features = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3), nn.ReLU())
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 4))


def highest(scores, taps):
    return scores.amax(1)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3"])
def test_pooled_is_summed(layer):
    network, pixels = around(net(), (layer,)), pictures(6)
    found = pooled_gradients(network, pixels, highest, [layer])[layer]
    maps, slopes = network.exact(pixels)[layer], network.gradients(pixels, highest, [layer])[layer]
    np.testing.assert_allclose(found.maps, maps.sum((2, 3)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.slopes, slopes.sum((2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.linear, (maps * slopes).sum((1, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.value, network.scores(pixels).max(1))
    flat = maps.reshape(*maps.shape[:2], -1)
    constant = flat.max(2) == flat.min(2)
    np.testing.assert_array_equal(found.peak, np.where(constant, -1, flat.argmax(2)))


def test_an_image_has_the_same_bits_in_any_block():
    network, pixels = around(net(), ("3",)), pictures(6)
    whole = pooled_gradients(network, pixels, highest, ["3"])["3"]
    parts = [pooled_gradients(network, pixels[rows], highest, ["3"])["3"] for rows in (slice(0, 1), slice(1, 6))]
    for name in vars(whole):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))


def test_a_layer_without_influence_is_refused():
    network = around(net())
    with pytest.raises(InputError, match="does not depend on '3'"):
        pooled_gradients(network, pictures(1), lambda scores, taps: scores.amax(1).detach(), ["3"])


@pytest.mark.parametrize("layer", ["0", "1", "2", "3"])
def test_silent_units_are_those_whose_filters_give_nothing(layer):
    network, pixels, units = around(net()), pictures(6), np.array([1, 4])
    found = scores_without(network, pixels, layer, units)
    cut, names = net(), ("0", "2")
    conv = cut.get_submodule(names[int(layer) // 2])
    with torch.no_grad():
        conv.weight[units], conv.bias[units] = 0, 0
    np.testing.assert_allclose(found, around(cut).scores(pixels), atol=1e-6)
    np.testing.assert_array_equal(scores_without(network, pixels, layer, np.zeros(0, int)), network.scores(pixels))
    assert scores_without(network, pixels[:0], layer, units).shape == (0, 0)


def test_rotated_units_are_silenced_in_their_own_basis():
    network, pixels = around(net()), pictures(3)
    rotated = replace(network, taps=Taps(network.taps.module, (), rotation=(3, 1.0)))
    units, basis = np.array([0, 2]), rotation(5, 3, "3", 1.0)
    keep = torch.from_numpy(np.eye(5) - basis[units].T @ basis[units]).float()

    class Projected(nn.Module):
        def forward(self, x):
            return torch.einsum("dc,nchw->ndhw", keep, x)

    parts = list(net().children())
    expected = around(nn.Sequential(*parts[:4], Projected(), *parts[4:])).scores(pixels)
    np.testing.assert_allclose(scores_without(rotated, pixels, "3", units), expected, atol=1e-5)
    everything = scores_without(rotated, pixels, "3", np.arange(5))
    np.testing.assert_allclose(everything, scores_without(network, pixels, "3", np.arange(5)), atol=1e-5)
