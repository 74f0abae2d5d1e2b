"""Occluded copies of one image, against copies made one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from filterscope.operators.location.occlusion import NOWHERE, Occluders, empirical_field
from filterscope.pipeline.models.field import box
from filterscope.pipeline.models.geometry import receptive_fields
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.occluded import discrepancies
from filterscope.pipeline.models.taps import Taps

SIZE = (48, 56)


@pytest.fixture(scope="module")
def network():
    """Three strided convolutions; unit 0 of each averages what it sees, unit 1 is constant, unit 2 is random."""
    generator, parts = torch.Generator().manual_seed(0), []
    for inputs in (3, 3, 3):
        conv = nn.Conv2d(inputs, 3, 3, 2, 1, bias=False)
        with torch.no_grad():
            conv.weight.zero_()
            conv.weight[0, :1] = 1 / 9
            conv.weight[2] = torch.randn(conv.weight[2].shape, generator=generator)
        parts.append(conv)
    return nn.Sequential(*parts).eval()


@pytest.fixture(scope="module")
def layers(network):
    found = receptive_fields(network, SIZE)
    return [Layer(str(n), "Conv2d", 3, SIZE[0] >> n + 1, SIZE[1] >> n + 1, field=found[str(n)]) for n in (0, 2)]


@pytest.fixture(scope="module")
def forward(network, layers):
    mean, std = torch.full((1, 3, 1, 1), 100.0), torch.full((1, 3, 1, 1), 50.0)
    names = tuple(layer.name for layer in layers)
    return Network(Taps(network, names), names, 4, 1.0, "cpu", mean, std)


def pictures(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, *SIZE, 3), np.uint8)


def test_drops_are_those_of_copies_made_one_by_one(network, forward, layers):
    pixels, fill = pictures()
    occluders = Occluders(SIZE, 9, 5)
    wanted = {layer.name: np.arange(3) for layer in layers}
    found, copies = discrepancies(forward, layers, wanted, pixels, fill, occluders)
    assert 0 < copies < len(occluders.corners)  # the boxes far from all maxima are left out
    made = [pixels]
    for top, left in occluders.corners:
        copy = pixels.copy()
        copy[top : top + 9, left : left + 9] = fill[top : top + 9, left : left + 9]
        made.append(copy)
    batch = (torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float() - 100) / 50
    maps = Taps(network, ["0", "2"])(batch)
    for layer in layers:
        here = maps[layer.name].flatten(2).numpy()
        assert found[layer.name].position.tolist() == [here[0, 0].argmax(), NOWHERE, here[0, 2].argmax()]
        for unit in (0, 2):
            values = here[:, unit, found[layer.name].position[unit]]
            assert found[layer.name].drop[unit] == pytest.approx(np.abs(values[1:] - values[0]), abs=1e-5)
        assert found[layer.name].drop[1].max() == 0


def test_a_layer_has_the_same_drops_alone_and_beside_others(forward, layers):
    pixels, fill = pictures(1)
    occluders = Occluders(SIZE, 9, 5)
    both, _ = discrepancies(
        forward, layers, {layer.name: np.array([0, 2]) for layer in layers}, pixels, fill, occluders
    )
    for layer in layers:
        alone, _ = discrepancies(forward, [layer], {layer.name: np.array([2])}, pixels, fill, occluders)
        assert np.array_equal(alone[layer.name].drop[0], both[layer.name].drop[1])


@pytest.mark.parametrize("number", [0, 1])
def test_boxes_outside_the_fields_are_not_run_and_no_bit_changes(forward, layers, number):
    pixels, fill = pictures(3)
    occluders, layer = Occluders(SIZE, 9, 5), layers[number]
    (found, copies), (every, all_copies) = (
        discrepancies(forward, [one], {layer.name: np.array([0, 2])}, pixels, fill, occluders)
        for one in (layer, replace(layer, field=None))
    )
    assert np.array_equal(found[layer.name].drop, every[layer.name].drop)
    met = np.zeros(len(occluders.corners), bool)
    for place in found[layer.name].position.tolist():
        met |= occluders.touching(*box(layer.field, place // layer.width, place % layer.width))
    assert copies == met.sum() < all_copies == len(occluders.corners)
    assert not found[layer.name].drop[:, ~met].any()


def test_a_symmetric_filter_behind_strides_has_its_centroid_at_the_theoretical_centre(forward, layers):
    """Deep in torch-padded networks theoretical centres lie on multiples of the stride, and occlusion agrees."""
    layer, occluders, drops, centres = layers[1], Occluders(SIZE, 3, 1), [], []
    for seed in range(12):
        spot, fill = np.full((*SIZE, 3), 10, np.uint8), np.full((*SIZE, 3), 60, np.uint8)
        y, x = np.random.default_rng(seed).integers(14, np.array(SIZE) - 24)
        spot[y : y + 10, x : x + 10] = 250
        spot[spot == 250] -= pictures(seed)[0][spot == 250] // 50
        found, _ = discrepancies(forward, [layer], {"2": np.array([0])}, spot, fill + spot // 2, occluders)
        drops.append(found["2"].drop[0] / found["2"].drop[0].max())
        place = divmod(int(found["2"].position[0]), layer.width)
        centres.append([c + p * s for c, p, s in zip(layer.field.centre, place, layer.field.stride, strict=True)])
    found = empirical_field(np.array(drops), occluders, np.array(centres))
    assert np.abs(found.offset).max() < 0.75  # half a stride would be 3.5
    assert found.size < layer.field.size[0] == 15


def by_captum(network, layer, unit, position, pixels, fill, occluders):
    """Return how far the boxes over each pixel move a unit at a position of its map, on average, as captum has it."""
    image, baseline = ((torch.from_numpy(part).permute(2, 0, 1)[None].float() - 100) / 50 for part in (pixels, fill))
    taps, side, step = Taps(network, [layer.name]), occluders.side, occluders.step
    occlusion = Occlusion(lambda batch: taps(batch)[layer.name].flatten(2)[:, unit, position])
    found = occlusion.attribute(image, (3, side, side), strides=(3, step, step), baselines=baseline)
    return found[0, 0].numpy()


@pytest.mark.parametrize("unit", [0, 2])
def test_drops_in_tiles_are_those_of_captum(network, forward, layers, unit):
    """Captum keeps the sign; where boxes do not overlap its absolute value is ours."""
    pixels, fill = pictures(2)
    occluders = Occluders(SIZE, 8, 8)
    found, _ = discrepancies(
        forward, layers, {layer.name: np.array([unit]) for layer in layers}, pixels, fill, occluders
    )
    for layer in layers:
        position, drop = found[layer.name].position[0], found[layer.name].drop[0]
        expected = np.abs(by_captum(network, layer, unit, position, pixels, fill, occluders))
        assert expected.max() > 0.1
        # batches of other sizes sum in another order: some ten units in the last place of float32
        assert occluders.spread(drop)[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("side", "step"), [(8, 4), (8, 2), (16, 8)])
def test_spread_drops_of_boxes_that_overlap_are_those_of_captum(network, forward, layers, side, step):
    """Weights are not negative and a box only darkens: all differences have one sign, and averages are the same."""
    pixels, fill = pictures(3)
    fill, occluders = np.minimum(pixels, fill), Occluders(SIZE, side, step)
    found, _ = discrepancies(forward, layers, {layer.name: np.array([0]) for layer in layers}, pixels, fill, occluders)
    for layer in layers:
        position, drop = found[layer.name].position[0], found[layer.name].drop[0]
        expected = by_captum(network, layer, 0, position, pixels, fill, occluders)
        assert expected.max() > 0.1
        assert occluders.spread(drop)[0] == pytest.approx(expected, abs=1e-5)
