"""Scales and colours are those of photographs as lucid has them; scrambling keeps sizes and loses places."""

import numpy as np
import pytest

from filterscope.operators.visualization.spectrum import colour_matrix, frequency_scale, scrambled, start


def test_scales_are_reciprocal_frequencies_and_the_mean_counts_as_one_period():
    scale = frequency_scale(6, 9)
    assert scale.shape == (6, 5)
    root = np.sqrt(54)
    assert scale[0, 0] == pytest.approx(root * 9)
    assert scale[1, 0] == scale[5, 0] == pytest.approx(root * 6)
    assert scale[3, 4] == pytest.approx(root / np.hypot(1 / 2, 4 / 9))


def test_the_first_colour_is_light_and_the_longest_has_length_one():
    matrix = colour_matrix()
    assert np.linalg.norm(matrix, axis=0) == pytest.approx([1, 0.1273 / 0.4619, 0.0616 / 0.4619], abs=1e-3)
    assert np.ptp(matrix[:, 0]) < 0.03
    assert matrix[0, 1] == -matrix[2, 1] > 0


def test_starts_follow_from_their_seed_alone():
    one = start(3, 3, 8, 7)
    assert one.shape == (2, 3, 8, 4)
    assert one.dtype == np.float32
    assert np.array_equal(one, start(3, 3, 8, 7))
    assert not np.array_equal(one, start(4, 3, 8, 7))
    assert one.std() == pytest.approx(0.01, rel=0.2)


def test_scrambling_keeps_every_size_and_what_colours_share():
    spectrum = start(0, 3, 8, 7)
    turned = scrambled(spectrum, 1)
    one, other = (part[0] + 1j * part[1] for part in (spectrum, turned))
    assert np.abs(other) == pytest.approx(np.abs(one), rel=1e-4)
    assert other[0] * other[1].conj() == pytest.approx(one[0] * one[1].conj(), rel=1e-3, abs=1e-8)
    assert np.abs(np.angle(other / one)).mean() == pytest.approx(np.pi / 2, rel=0.2)
