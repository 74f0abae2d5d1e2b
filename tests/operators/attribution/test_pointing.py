"""A map points where its largest values lie, and at nothing where it says nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.attribution.agreement import rank_correlation
from filterscope.operators.attribution.energy import energy_inside
from filterscope.operators.attribution.pointing import pointed_at, says_nothing
from tests import naive

VALUES = st.sampled_from([0.0, -1.0, 1.0, 2.0, 1e-30]) | st.floats(-3, 3, width=32)
SHAPES = st.tuples(st.integers(1, 22), st.integers(1, 5))


def maps(shape):
    return hnp.arrays(np.float32, shape, elements=VALUES)


@st.composite
def maps_and_masks(draw):
    values = draw(maps(draw(SHAPES)))
    masks = draw(hnp.arrays(np.bool_, (2, *values.shape)))
    masks[:, draw(st.integers(0, values.shape[0] - 1)), 0] = True
    return values, masks


@given(maps_and_masks())
def test_hits_and_energy_equal_their_naive_twins(given_):
    values, masks = given_
    expected = [naive.pointing.pointed_at(values, mask) for mask in masks]
    np.testing.assert_allclose(pointed_at(values, masks), expected, atol=1e-12)
    expected = [naive.pointing.energy_inside(values, mask) for mask in masks]
    np.testing.assert_allclose(energy_inside(values, masks), expected, atol=1e-12)


@given(SHAPES.flatmap(lambda shape: st.tuples(maps(shape), maps(shape))))
def test_rank_correlation_equals_its_naive_twin(pair):
    found = rank_correlation(*pair)
    np.testing.assert_allclose(found, naive.pointing.rank_correlation(*pair), atol=1e-9)


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    one, other = np.random.default_rng(0).normal(size=(2, 9, 7)).round(1).astype(np.float32)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic, abs=1e-12)


def test_a_point_counts_fewer_than_fifteen_pixels_away_and_not_at_fifteen():
    values, mask = np.zeros((40, 40), np.float32), np.zeros((1, 40, 40), bool)
    mask[0, 20, 20] = True
    for row, column, expected in (
        (20, 20, [1, 1]),
        (34, 20, [0, 1]),
        (35, 20, [0, 0]),
        (29, 32, [0, 0]),
        (30, 30, [0, 1]),
    ):
        values[:] = 0
        values[row, column] = 1
        np.testing.assert_array_equal(pointed_at(values, mask), [expected])


def test_a_plateau_counts_by_its_share_in_the_region():
    values, mask = np.zeros((4, 8), np.float32), np.zeros((1, 4, 8), bool)
    values[1, 2:6], mask[0, :, :3] = 1, True
    assert pointed_at(values, mask)[0, 0] == 0.25


@pytest.mark.parametrize("level", [0.0, -1.0, 2.0])
def test_a_map_that_is_the_same_everywhere_points_nowhere(level):
    values, mask = np.full((3, 3), level, np.float32), np.ones((1, 3, 3), bool)
    assert says_nothing(values)
    np.testing.assert_array_equal(pointed_at(values, mask), [[0, 0]])


def test_what_speaks_against_the_class_has_no_energy():
    values = np.array([[1, -5], [3, 0]], np.float32)
    masks = np.array([[[True, True], [False, False]], [[False, True], [False, True]]])
    np.testing.assert_array_equal(energy_inside(values, masks), [0.25, 0])
    assert np.isnan(energy_inside(-np.ones((2, 2), np.float32), masks)).all()
