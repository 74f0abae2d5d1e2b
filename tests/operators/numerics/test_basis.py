"""Rotations are rotations, and their powers go the shortest way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from filterscope.operators.numerics.basis import _power, rotation


@given(st.integers(1, 12), st.integers(0, 99), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_power_of_a_rotation_is_a_rotation(units, seed, alpha):
    q = rotation(units, seed, "layer", alpha)
    np.testing.assert_allclose(q @ q.T, np.eye(units), atol=1e-10)
    assert np.linalg.det(q) == pytest.approx(1.0)
    if alpha == 0:
        np.testing.assert_allclose(q, np.eye(units), atol=1e-10)
    if alpha == 0.25:
        np.testing.assert_allclose(np.linalg.matrix_power(q, 4), rotation(units, seed, "layer"), atol=1e-8)
        # the shortest way: no angle beyond a quarter of pi
        assert np.abs(np.angle(np.linalg.eigvals(q))).max() <= np.pi / 4 + 1e-9


@given(st.integers(2, 8), st.integers(0, 99), st.floats(0, 1))
def test_powers_equal_those_of_the_exponential(units, seed, alpha):
    skew = np.random.default_rng(seed).standard_normal((units, units))
    skew = (skew - skew.T) / np.abs(skew - skew.T).sum()  # all angles below pi
    np.testing.assert_allclose(_power(expm(skew), alpha), expm(alpha * skew), atol=1e-9)


def test_axes_turned_by_pi_turn_together():
    half = _power(np.diag([-1.0, 1.0, -1.0]), 0.5)
    np.testing.assert_allclose(half @ half, np.diag([-1.0, 1.0, -1.0]), atol=1e-12)


def test_the_seed_and_the_layer_draw_the_rotation():
    np.testing.assert_array_equal(rotation(5, 1, "a"), rotation(5, 1, "a"))
    assert not np.allclose(rotation(5, 1, "a"), rotation(5, 2, "a"))
    assert not np.allclose(rotation(5, 1, "a"), rotation(5, 1, "b"))
