"""Intervals of differences: against a twin, and how often they hold what is true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.statistics.differences import average, difference_of, difference_of_shares
from tests.naive import statistics as naive


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_difference_of_shares_has_newcombes_interval(first, second, data):
    groups = [(data.draw(st.integers(0, count)), count) for count in (first, second)]
    assert difference_of_shares(*groups) == pytest.approx(naive.newcombe(*groups), abs=1e-6)


def test_a_group_without_trials_has_no_difference():
    assert np.isnan(difference_of_shares((0, 0), (1, 2))).all()


def test_the_difference_of_means_is_exact_and_its_interval_is_near_that_of_the_normal_theory():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 80), rng.normal(0.5, 2, 60)
    found, low, high = difference_of(np.mean, first, np.append(second, np.nan), seed=1)
    assert found == pytest.approx(second.mean() - first.mean())
    reach = 1.96 * np.sqrt(first.var() / 80 + second.var() / 60)
    assert (found - low, high - found) == pytest.approx((reach, reach), rel=0.1)


def test_intervals_of_equal_groups_hold_zero_about_19_times_in_20():
    rng = np.random.default_rng(3)
    held = sum(
        low <= 0 <= high
        for _, low, high in (difference_of(np.median, *rng.normal(0, 1, (2, 40)), seed) for seed in range(200))
    )
    assert 180 <= held <= 200


def test_the_average_of_estimates_of_one_width_is_narrower_by_the_root_of_their_number():
    assert average(np.array([[1.0, 0.0, 3.0]] * 4)) == pytest.approx((1.0, 0.5, 2.0))


def test_groups_without_values_have_no_difference():
    assert np.isnan(difference_of(np.mean, np.array([np.nan]), np.ones(3), 0)).all()
