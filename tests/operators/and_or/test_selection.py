"""The cut of the scores finds the rate at which they were made to fall."""

import math

import numpy as np
import pytest

from filterscope.operators.and_or.selection import fall_rate, kept_count


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_rate_of_an_exact_fall_is_found(rate):
    rank = np.arange(1, 201)
    scores = 7 * np.exp(-np.sqrt(rate * rank)) - 3
    # the true floor lies between those tried
    assert fall_rate(scores) == pytest.approx(rate, rel=0.15)


def test_the_rate_does_not_depend_on_height_or_floor():
    scores = np.sort(np.random.default_rng(0).exponential(size=300))[::-1]
    assert fall_rate(scores) == pytest.approx(fall_rate(40 * scores - 1000), rel=1e-6)


def test_of_falling_scores_ranks_up_to_four_tenths_over_lambda_are_kept():
    scores = 7 * np.exp(-np.sqrt(0.02 * np.arange(1, 20001))) - 3
    top = scores[:2000]
    above = top[top > top[-1] + 0.1 * (top[0] - top[-1])]
    assert kept_count(scores) == math.ceil(0.4 / fall_rate(above)) < len(above)


@pytest.mark.parametrize(("scores", "count"), [([], 0), ([1.0], 1), ([2.0] * 50, 5), ([3.0, 2.0], 1)])
def test_few_or_equal_scores_are_kept_up_to_a_tenth(scores, count):
    assert kept_count(np.array(scores)) == count
