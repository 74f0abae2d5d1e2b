"""Means over trials and images, and intervals that know both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.statistics.repeated import Repeated, means
from tests.naive.repeated import naive_means

FIRST = lambda found: found[..., 0]  # noqa: E731


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_means_are_those_of_a_loop_over_images(data):
    shape = data.draw(st.tuples(*(st.integers(1, 4) for _ in range(3))))
    values = data.draw(arrays(np.float64, shape, elements=st.one_of(st.just(np.nan), st.floats(-5, 5))))
    weights = data.draw(arrays(np.float32, (shape[1], 3), elements=st.sampled_from([0.0, 1.0, 2.0])))
    np.testing.assert_allclose(means(values, weights), naive_means(values, weights), equal_nan=True, atol=1e-12)
    np.testing.assert_allclose(means(values), naive_means(values, np.ones((shape[1], 1))), equal_nan=True, atol=1e-12)


def test_an_interval_is_that_of_the_textbook_where_only_images_vary():
    random = np.random.default_rng(0)
    values = random.normal(3, 2, (1, 400, 1))
    low, high = Repeated(np.arange(400), 1).interval(Repeated(np.arange(400), 1).drawn(values), FIRST)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_an_interval_covers_the_mean_of_all_trials_that_there_could_be():
    random, covered = np.random.default_rng(1), 0
    for _ in range(60):
        values = random.normal(0, 1, (8, 1, 1)) + random.normal(0, 1, (8, 200, 1))
        repeated = Repeated(np.arange(200), 8, draws=300)
        low, high = repeated.interval(repeated.drawn(values), FIRST)
        covered += low <= 0 <= high
    assert covered >= 48  # 95 % but for the few trials; of images alone it would be near 10


def test_a_difference_on_the_same_images_is_tighter_than_two_intervals():
    random = np.random.default_rng(2)
    shared = random.normal(0, 5, (1, 300, 1))
    one, other = shared + 0.5 + random.normal(0, 0.1, (3, 300, 1)), shared + random.normal(0, 0.1, (3, 300, 1))
    repeated = Repeated(np.arange(300), 3)
    low, high = repeated.difference(repeated.drawn(one), repeated.drawn(other), FIRST)
    assert 0.45 < low < high < 0.55
    alone = repeated.interval(repeated.drawn(one), FIRST)
    assert alone[1] - alone[0] > 1


def test_images_of_a_group_are_drawn_together():
    values = np.repeat(np.random.default_rng(3).normal(size=40), 10).reshape(1, 400, 1)
    widths = []
    for group in (np.arange(400), np.repeat(np.arange(40), 10)):
        repeated = Repeated(group, 1)
        low, high = repeated.interval(repeated.drawn(values), FIRST)
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_what_no_draw_knows_has_no_interval():
    repeated = Repeated(np.arange(5), 2)
    assert np.isnan(repeated.interval(repeated.drawn(np.full((2, 5, 1), np.nan)), FIRST)).all()
