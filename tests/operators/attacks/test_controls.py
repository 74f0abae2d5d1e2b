"""Noise is as long as the attack, distances are those of their definitions, and units are compared as the naive twin does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.attacks.distances import distances, in_8_bits
from filterscope.operators.attacks.noise import noise_like
from filterscope.operators.attacks.switched import most_changed, switched
from tests.naive import attacks as naive


@given(st.integers(0, 1000), st.floats(0.001, 3))
def test_noise_is_as_long_as_asked(seed, length):
    random = np.random.default_rng(seed)
    image = random.choice([0.0, 0.2, 0.5, 1.0], (6, 6, 3))
    found = noise_like(image, length, random)
    assert np.linalg.norm(found - image) == pytest.approx(length, rel=1e-9)
    assert found.min() >= 0
    assert found.max() <= 1


def test_noise_beside_a_step_of_all_pixels_is_such_a_step():
    image = np.full((8, 8, 3), 0.5)
    found = noise_like(image, 0.03 * np.sqrt(image.size), np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(found - image), 0.03, rtol=1e-9)
    np.testing.assert_array_equal(noise_like(image, 0.0, np.random.default_rng(0)), image)


def test_noise_that_does_not_fit_is_as_long_as_can_be():
    image = np.zeros((2, 2, 3))
    assert set(noise_like(image, 9.0, np.random.default_rng(0)).ravel()) <= {0.0, 1.0}


def test_distances_are_those_of_their_definitions():
    image = np.zeros((1, 2, 2, 3))
    attacked = image.copy()
    attacked[0, 0, 0] = 0.3, 0.0, 0.4
    attacked[0, 1, 1, 2] = 1.2
    found = {name: values.item() for name, values in distances(image, attacked).items()}
    assert found == pytest.approx({"l2": 1.3, "distortion": 1.3 / np.sqrt(12), "linf": 1.2, "pixels": 2})
    np.testing.assert_array_equal(in_8_bits(np.array([0.4 / 255, 0.6 / 255, 1.0])), [0, 1 / 255, 1])


values = st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0]) | st.floats(-4, 4, width=16)


@given(hnp.arrays(np.float32, (7, 3), elements=values), hnp.arrays(np.float32, (3, 4, 3), elements=values))
def test_units_are_compared_as_the_naive_twin_does(maxima, under):
    for views in (4, 0):
        found = switched(maxima, under[:, :views])
        for unit, row in enumerate(naive.switched(maxima, under[:, :views])):
            for name, expected in row.items():
                value = getattr(found, name)[unit]
                close = abs(expected) < 1e9  # a deviation of rounding alone
                assert not close or value == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True), name


def test_a_unit_that_an_attack_switches_off_is_told_from_one_that_noise_does():
    maxima = np.tile(np.array([0.0, 0.0, 0.0, 1.0], np.float32), 5)[:, None].repeat(2, 1)[:, :]
    maxima[-1] = 2.0
    before = np.full((6, 2), 2.0, np.float32)
    after, noise = before.copy(), before.copy()
    after[:, 0] = noise[:, 1] = 0.0
    found = switched(maxima, np.stack([before, after, noise]))
    assert found.on.tolist() == [6, 6]
    assert found.off_after.tolist() == [6, 0]
    assert found.off_in_noise.tolist() == [0, 6]
    assert found.larger.tolist() == [1.0, 0.0]
    assert found.shift[0] == pytest.approx(-2 / maxima[:, 0].std())


@given(hnp.arrays(np.float32, (7, 4), elements=values), hnp.arrays(np.float32, (3, 3, 4), elements=values))
def test_the_units_that_change_most_on_a_view_are_those_of_the_naive_twin(maxima, under):
    units, changes = most_changed(maxima, under, 2)
    for view, row in enumerate(naive.most_changed(maxima, under, 2)):
        assert units[view].tolist() == [unit for unit, _, _ in row]
        np.testing.assert_allclose(changes[0, view], [change for _, change, _ in row], rtol=1e-9)
        np.testing.assert_allclose(changes[1, view], [noise for _, _, noise in row], rtol=1e-9)
