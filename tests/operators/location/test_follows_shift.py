"""Planted followers move as far as the content, constants and what is pinned to the crop not at all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.location.follows_shift import LONGEST, SHORTEST, corners_of, follows_shift, margin
from tests import naive

SIDE, VIEWS = 224, 400


def planted(seed=0):
    """Return how the content of 400 views moves, and where it lies in the first crop."""
    corners = np.array([corners_of(view, seed, SIDE) for view in range(VIEWS)], float)
    return corners[:, 0] - corners[:, 1], np.random.default_rng(seed).uniform(60, 160, (VIEWS, 2))


def measured(moved, content, images=None):
    images = np.arange(len(content)) if images is None else images
    return follows_shift(moved, content, images, 10)


def test_content_moves_by_24_to_64_of_224_pixels_in_all_directions():
    content, _ = planted()
    apart = np.hypot(*content.T)
    assert apart.min() >= SHORTEST * SIDE
    assert apart.max() <= LONGEST * SIDE
    np.testing.assert_allclose(content.mean(axis=0), 0, atol=4 * content.std() / math.sqrt(VIEWS))
    first, second = corners_of(3, 1, SIDE)
    np.testing.assert_array_equal(corners_of(3, 1, SIDE)[0], first)
    assert not np.array_equal([first, second], corners_of(4, 1, SIDE))
    assert 0 <= min(first.min(), second.min()) <= max(first.max(), second.max()) <= margin(SIDE)


@pytest.mark.parametrize("side", [1, 2, 5, 8, 32, 512])
def test_crops_of_any_size_move(side):
    for view in range(20):
        first, second = corners_of(view, 0, side)
        assert not np.array_equal(first, second)
        assert np.abs(second - first).max() <= margin(side)


@pytest.mark.parametrize("stride", [1, 16, 32])
def test_a_follower_scores_one_whatever_the_stride(stride):
    content, place = planted()
    first, second = (np.round(p / stride) * stride for p in (place, place + content))
    found = measured((second - first)[:, None], content)
    assert found.slope[0] == pytest.approx(1, abs=max(0.005, 3 * found.error[0]))
    assert found.error[0] < 0.02


def test_a_constant_scores_zero_exactly():
    content, _ = planted()
    found = measured(np.zeros((VIEWS, 1, 2)), content)
    assert (found.slope[0], found.error[0]) == (0, 0)


def test_random_positions_score_zero_as_far_as_the_error_says():
    content, _ = planted()
    rng = np.random.default_rng(2)
    moved = rng.uniform(0, SIDE, (VIEWS, 500, 2)) - rng.uniform(0, SIDE, (VIEWS, 500, 2))
    found = measured(moved, content)
    assert found.slope.mean() == pytest.approx(0, abs=0.02)
    # the error is the spread of the slope over units, whose positions are independent
    assert found.error.mean() == pytest.approx(found.slope.std(), rel=0.1)
    assert (found.slope > 2 * found.error).mean() == pytest.approx(0.023, abs=0.02)


def test_a_unit_that_follows_on_half_of_the_views_scores_a_half():
    content, _ = planted()
    moved = np.where((np.arange(VIEWS) % 2 == 0)[:, None], content, 0.0)
    assert measured(moved[:, None], content).slope[0] == pytest.approx(0.5, abs=0.05)


def test_crops_of_one_image_are_no_evidence_twice():
    content, _ = planted()
    moved = content + np.random.default_rng(3).normal(0, 30, content.shape)
    once = measured(moved[:, None], content)
    twice = measured(
        np.repeat(moved, 2, 0)[:, None], np.repeat(content, 2, 0), np.repeat(np.arange(VIEWS), 2)
    )  # fmt: skip
    assert twice.slope == pytest.approx(once.slope)
    assert twice.error == pytest.approx(once.error)


def test_few_pairs_have_no_result():
    content, _ = planted()
    moved = np.repeat(content[:, None], 2, 1)
    moved[9:, 1] = np.nan
    found = measured(moved, content)
    assert found.views.tolist() == [VIEWS, 9]
    assert np.isnan(found.slope).tolist() == np.isnan(found.error).tolist() == [False, True]


@given(st.integers(0, 2**32 - 1), st.integers(0, 16))
def test_slopes_equal_the_twin(seed, pairs):
    rng = np.random.default_rng(seed)
    moved, content = rng.normal(0, 30, (pairs, 3, 2)), rng.normal(0, 30, (pairs, 2))
    moved[rng.random((pairs, 3)) < 0.2] = np.nan
    images = rng.integers(0, max(pairs, 1), pairs)
    found = follows_shift(moved, content, images, 10)
    for unit in range(3):
        expected = naive.location.follows_shift(moved[:, unit].tolist(), content.tolist(), images.tolist(), 10)
        np.testing.assert_allclose((found.slope[unit], found.error[unit]), expected, rtol=1e-9)
