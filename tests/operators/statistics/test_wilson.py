"""The interval holds the shares that the data are no more than 1.96 standard errors away from."""

import numpy as np
import pytest

from filterscope.operators.statistics.wilson import wilson
from tests.naive.attacks import wilson as naive


def test_it_equals_its_definition():
    for trials in (1, 2, 7, 40, 1000):
        for successes in {0, 1, trials // 3, trials}:
            low, high = wilson(np.array([successes]), np.array([trials]))
            assert (low.item(), high.item()) == pytest.approx(naive(successes, trials), abs=1e-9)


def test_it_equals_scipy():
    from scipy.stats import binomtest

    expected = binomtest(13, 40).proportion_ci(method="wilson")
    low, high = wilson(np.array([13]), np.array([40]))
    assert (low.item(), high.item()) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_intervals_are_those_of_wilson():
    low, high = wilson(np.array([0, 5, 10, 0]), np.array([10, 10, 10, 0]))
    np.testing.assert_allclose(low, [0, 0.2366, 0.7225, np.nan], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1, np.nan], atol=1e-4)
