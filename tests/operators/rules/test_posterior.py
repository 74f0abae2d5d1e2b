"""The posterior is p exp(-penalty), normalised; its interval is that of a difference of means."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.rules.posterior import bootstrap_interval, project
from tests.naive import rules as naive


@given(st.integers(1, 6).flatmap(lambda s: st.tuples(
    hnp.arrays(np.float64, (4, s), elements=st.floats(0.01, 1)), hnp.arrays(np.float64, (4, s), elements=st.floats(0, 20))
)))  # fmt: skip
def test_it_equals_its_twin(given_):
    shares, penalty = given_
    p = shares / shares.sum(axis=1, keepdims=True)
    found = project(np.log(p), penalty)
    for row in range(4):
        np.testing.assert_allclose(found[row], naive.posterior(p[row], penalty[row]), rtol=1e-9)


def test_by_hand():
    """A car without a wheel, C 6, weight 1: p .8 and .2 become .8 / e^6 and .2 of their sum."""
    q = project(np.log([[0.8, 0.2]]), np.array([[6.0, 0.0]]))
    car = 0.8 * math.exp(-6)
    np.testing.assert_allclose(q, [[car / (car + 0.2), 0.2 / (car + 0.2)]], rtol=1e-12)


def test_what_is_impossible_stays_so_and_far_scores_do_not_overflow():
    q = project(np.array([[-np.inf, 0.0], [-1e5, -2e5]]), np.array([[0.0, 50.0], [6e4, 0.0]]))
    np.testing.assert_array_equal(q, [[0, 1], [1, 0]])


def test_the_interval_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    difference = rng.choice([-1.0, 0, 1], 6000, p=[0.1, 0.6, 0.3])
    low, high = bootstrap_interval(difference, np.arange(6000), 7)
    error = difference.std() / math.sqrt(6000)
    assert low == pytest.approx(difference.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(difference.mean() + 1.96 * error, abs=0.15 * error)
    # views of one image are no more evidence than one of them
    twice = bootstrap_interval(np.repeat(difference, 2), np.repeat(np.arange(6000), 2), 7)
    assert twice == pytest.approx((low, high), abs=1e-12)


def test_one_group_alone_has_no_interval():
    assert np.isnan(bootstrap_interval(np.ones(5), np.zeros(5, np.int64), 0)).all()
