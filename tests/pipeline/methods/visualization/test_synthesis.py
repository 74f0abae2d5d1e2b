"""Pictures are what units are known to answer to most: gratings, either of two colours, the signs of weights."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.operators.visualization.spectrum import start
from filterscope.pipeline.methods.visualization.painting import SHIFT, Canvas, _affine
from filterscope.pipeline.methods.visualization.synthesis import Raised, likeness
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests.naive import visualization as naive
from tests.planted.gabor import SIDE, WAVES, facets, gabors


def network_of(module, layer, batch=8, channels=3):
    module = module.eval().requires_grad_(False)
    zero = torch.zeros(1, channels, 1, 1)
    return Network(Taps(module, (layer,)), (layer,), batch, 1.0, "cpu", zero, zero + 255)


def pictures_for(network, units, size, steps, *, pictures=1, diversity=0.0, robust=True, rate=0.05):
    """Return pictures (n, height, width, 3) as they are kept, and the objective at the start and at the end."""
    canvas, (layer,) = Canvas.of(network, size), network.layers
    own = np.repeat(units, pictures)
    begun = np.stack([start(number, canvas.colours, *size) for number in range(len(own))])
    raised = Raised(layer, torch.from_numpy(own), torch.ones(len(own)), pictures, False, diversity)
    move = canvas.moved if robust else canvas.shown
    found, trace = network.optimise(raised, begun, steps, rate, transform=move, seed=0, scores=False)
    return canvas.kept(found), trace[[0, -1]]


@pytest.mark.parametrize(("height", "width", "channels"), [(5, 7, 3), (6, 4, 3), (4, 6, 1)])
def test_pictures_are_sums_of_waves(height, width, channels):
    """Odd widths too: none loses a column."""
    network = network_of(nn.Sequential(nn.Identity()), "0", channels=channels)
    spectra = np.stack([20 * start(seed, channels, height, width) for seed in (1, 2)])
    # of a column that is its own mirror image, irfft2 takes the part that a real picture can have
    canvas = Canvas.of(network, (height, width))
    found = canvas.painted(torch.from_numpy(spectra)).numpy()
    expected = np.stack([naive.painted(_real(one, width), height, width) for one in spectra])
    assert found.shape == (2, channels, height, width)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.ptp(found) > 0.1
    kept = canvas.kept(spectra)
    assert kept.shape == (2, height, width, 3)
    assert np.abs(np.moveaxis(kept, 3, 1) / 255 - expected).max() <= 0.5 / 255 + 1e-5


def _real(spectrum, width):
    """Make columns that are their own mirror images Hermitian."""
    values = spectrum[0] + 1j * spectrum[1]
    for column in {0, width // 2} if width % 2 == 0 else {0}:
        one = values[:, :, column]
        values[:, :, column] = (one + np.roll(one[:, ::-1], 1, axis=1).conj()) / 2
    return np.stack([values.real, values.imag])


def test_no_change_of_place_leaves_a_picture_as_it_is_and_grey_comes_in_from_outside():
    height, width = 12, 20
    assert _affine([0.5] * 5, (height, width)) == [[1, 0, 0], [0, 1, 0]]
    canvas = Canvas.of(network_of(nn.Sequential(nn.Identity()), "0"), (height, width))
    spectra = torch.zeros(1, 2, 3, height, width // 2 + 1)
    spectra[0, 0, 0, 0, 0] = 10.0  # white
    white = canvas.shown(spectra, torch.Generator())
    assert white.min() > 0.8
    corners = []
    for seed in range(20):
        moved = canvas.moved(spectra, torch.Generator().manual_seed(seed))
        assert moved[:, :, height // 2, width // 2] == pytest.approx(white[:, :, 0, 0], abs=1e-4)
        corners.append(float(moved[0, 0, 0, 0]))
    assert min(corners) == pytest.approx(0.5, abs=1e-3)
    assert max(corners) == pytest.approx(float(white[0, 0, 0, 0]), abs=1e-3)


def test_a_turn_moves_by_pixels_and_not_by_shares_of_unequal_sides():
    """The corner of a square in the middle stays as far from it."""
    height, width = 20, 60
    (a, b, x), (c, d, y) = _affine([0.5, 0.5, 0.5, 1.0, 0.0], (height, width))
    across, down = 8.0, 3.0
    found = np.array([a * across / width + b * down / height, c * across / width + d * down / height]) * [width, height]
    assert np.hypot(*found) == pytest.approx(np.hypot(across, down))
    assert np.degrees(np.arctan2(*found[::-1]) - np.arctan2(down, across)) == pytest.approx(10.0)
    assert (x, y) == (0, 0)
    assert _affine([1.0, 0.5, 0.5, 0.5, 0.9], (128, 128))[1][2] * 64 == pytest.approx(SHIFT)


def dominant(picture):
    """Return orientation (degrees) and frequency (cycles per pixel) of the strongest wave of a picture, beyond 1 / f."""
    from scipy.ndimage import gaussian_filter

    grey, size = picture.astype(float).mean(2), 256
    window = np.hanning(len(grey) + 2)[1:-1]
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window[:, None] * window, (size, size))) ** 2 * (fy**2 + fx**2)
    power = gaussian_filter(power, 3, mode="wrap") * (fx >= 0)
    row, column = np.unravel_index(power.argmax(), power.shape)
    near = power * (np.hypot(fy - fy[row], fx - fx[column]) < 0.04)
    y, x = (near * fy).sum() / near.sum(), (near * fx).sum() / near.sum()
    return np.degrees(np.arctan2(y, x)) % 180, np.hypot(y, x)


@pytest.mark.slow
def test_the_picture_of_every_gabor_filter_has_its_orientation_and_frequency():
    pictures, _ = pictures_for(network_of(gabors(), "1"), np.arange(len(WAVES)), (SIDE, SIDE), 96)
    for (degrees, frequency), picture in zip(WAVES, pictures, strict=True):
        turned, cycles = dominant(picture)
        # of all orientations, half a turn, 10 % are 18 degrees
        assert abs((turned - degrees + 90) % 180 - 90) < 12
        assert cycles == pytest.approx(frequency, rel=0.1)


def hues(pictures):
    """Return whether red, green or blue is strongest in each picture."""
    return pictures.astype(float).mean((1, 2)).argmax(1)


def test_two_facets_of_a_unit_appear_from_eight_starts():
    pictures, (before, after) = pictures_for(
        network_of(facets(), "out"), np.array([0]), (8, 8), 60, pictures=8, rate=0.2
    )
    assert (after > before + 0.2).all()
    assert set(hues(pictures).tolist()) == {0, 2}
    green, _ = pictures_for(network_of(facets(), "out"), np.array([1]), (8, 8), 60, pictures=8, rate=0.2)
    assert set(hues(green).tolist()) == {1}


def test_pushing_pictures_apart_makes_them_less_alike():
    generator = torch.Generator().manual_seed(1)
    conv = nn.Conv2d(3, 6, 3)
    conv.weight.data = torch.randn(conv.weight.shape, generator=generator)
    conv.bias.data.zero_()
    network, layer = network_of(nn.Sequential(conv, nn.ReLU()), "1", batch=4), "1"
    alike = []
    for weight in (0.0, 20.0):
        pictures, _ = pictures_for(network, np.array([2]), (16, 16), 40, pictures=4, diversity=weight, robust=False)
        maps = network.exact(pictures)[layer]
        found = likeness(torch.from_numpy(maps), 4)
        assert found.numpy() == pytest.approx(naive.likeness(maps.astype(float), 4), abs=1e-5)
        alike.append(float(found.mean()))
    assert alike[1] < alike[0] - 0.05


def test_the_picture_of_a_linear_layer_has_the_signs_of_its_weights():
    linear = nn.Linear(3 * 8 * 8, 2, bias=False)
    linear.weight.data = torch.randn(2, 192, generator=torch.Generator().manual_seed(0))

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.flat, self.linear, self.out = nn.Flatten(), linear, nn.Identity()

        def forward(self, x):
            return self.out(self.linear(self.flat(x))[:, :, None, None])

    pictures, _ = pictures_for(network_of(Score(), "out"), np.array([0, 1]), (8, 8), 400, robust=False, rate=0.2)
    weights = linear.weight.detach().numpy().reshape(2, 3, 8, 8)
    reached = (weights * (np.moveaxis(pictures, 3, 1) / 127.5 - 1)).sum((1, 2, 3))
    # of the most that any picture reaches
    assert (reached / np.abs(weights).sum((1, 2, 3)) > 0.9).all()


@pytest.mark.parametrize("inplace", [False, True])
def test_a_unit_that_no_start_reaches_is_reached(inplace):
    """Its rectifiers let no gradient through at the start."""
    first, second = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 1, 1)
    first.weight.data[:], first.bias.data[:] = 1.0, torch.tensor([-2.2, -2.0])
    second.weight.data[:], second.bias.data[:] = 1.0, -0.2
    module = nn.Sequential(first, nn.ReLU(inplace), second, nn.ReLU(inplace))
    pictures, (before, after) = pictures_for(network_of(module, "3"), np.array([0]), (8, 8), 60, robust=False, rate=0.3)
    assert before == [0.0]
    assert after > 0.3
    assert pictures.max() > 200


def test_a_picture_is_the_same_beside_others():
    """Whatever units share its batch, and whatever place it has there."""
    network = network_of(gabors(), "1")
    canvas = Canvas.of(network, (32, 32))

    def made(units):
        begun = np.stack([start(unit, 3, 32, 32) for unit in units])
        raised = Raised("1", torch.tensor(units), torch.ones(len(units)), 1, False, 0.0)
        return network.optimise(raised, begun, 3, 0.05, transform=canvas.moved, seed=5, scores=False)[0]

    together, alone = made([4, 1, 3]), made([3])
    assert np.array_equal(together[2], alone[0])


def test_the_middle_position_may_count():
    maps = {"1": torch.arange(24.0).view(1, 2, 3, 4)}
    raised = Raised("1", torch.tensor([1]), torch.tensor([2.0]), 1, True, 0.0)
    assert raised(None, maps).item() == maps["1"][0, 1, 1, 2] / 2
    assert dataclasses.replace(raised, centre=False)(None, maps).item() == maps["1"][0, 1].mean() / 2
