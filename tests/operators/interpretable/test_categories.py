"""Which category a filter stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.interpretable.categories import NONE, filter_categories
from tests.naive import interpretable as naive


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_categories_and_margins_are_those_of_the_slow_twin(seed, categories):
    rng = np.random.default_rng(seed)
    fired = rng.integers(0, 4, (9, 5)).astype(np.float64)
    member = rng.random((9, categories)) < 0.4
    assigned, margin = filter_categories(fired, member)
    for f in range(5):
        expected = naive.filter_category(fired[:, f], member)
        assert (assigned[f], margin[f]) == (expected[0], pytest.approx(expected[1]))


def test_a_filter_that_fires_on_one_category_alone_has_margin_one_and_a_dead_one_none():
    fired = np.array([[2.0, 1.0, 0.0], [4.0, 1.0, 0.0], [0.0, 1.0, 0.0], [9.0, 0.0, 0.0]])
    member = np.array([[False, True], [False, True], [True, False], [False, False]])
    assigned, margin = filter_categories(fired, member)
    assert assigned.tolist() == [1, 0, NONE]
    assert margin.tolist() == [1.0, 0.0, 0.0]


def test_the_margin_of_one_category_is_over_the_images_of_none():
    assigned, margin = filter_categories(np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([[True], [False]]))
    assert (assigned.tolist(), margin.tolist()) == ([0, 0], [0.5, -0.5])
