"""What labels say of two attributes, and what they leave of relations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.bias.baselines import correlation, ranks, residuals
from tests.naive import bias as naive

bits = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


@given(bits, st.integers(0, 5))
def test_it_is_the_correlation_and_the_information_of_what_is_known(pairs, unknown):
    one, other = (np.array([*column, *[-1] * unknown], np.int8) for column in zip(*pairs, strict=True))
    phi, information, images = correlation(one, other)
    assert images == len(pairs)
    known = one[: len(pairs)].tolist(), other[: len(pairs)].tolist()
    assert information == pytest.approx(naive.information(*known), abs=1e-9)
    if len(set(known[0])) > 1 and len(set(known[1])) > 1:
        assert phi == pytest.approx(np.corrcoef(*known)[0, 1], abs=1e-9)
    else:
        assert np.isnan(phi)


def test_nothing_known_says_nothing():
    phi, information, images = correlation(np.array([-1, 1], np.int8), np.array([1, -1], np.int8))
    assert np.isnan(phi)
    assert np.isnan(information)
    assert images == 0


def test_residuals_are_what_least_squares_leaves_and_rank_the_planted_pair_first():
    rng = np.random.default_rng(0)
    phi = rng.uniform(-0.5, 0.5, 200)
    relation = 1.45 * phi + 0.04 + rng.normal(0, 0.05, 200)
    relation[17] = 0.9
    phi[3] = np.nan
    residual, slope, intercept = residuals(relation, phi)
    known = ~np.isnan(phi)
    assert (slope, intercept) == pytest.approx(tuple(np.polyfit(phi[known], relation[known], 1)))
    assert np.isnan(residual[3])
    assert ranks(residual)[17] == 1
    assert sorted(ranks(residual)) == list(range(1, 201))
    assert ranks(residual)[3] == 200


def test_few_pairs_and_equal_correlations_have_no_slope():
    assert np.isnan(residuals(np.array([0.1, 0.2]), np.array([0.0, 1.0]))[1])
    residual, slope, intercept = residuals(np.array([0.1, 0.2, 0.3]), np.zeros(3))
    assert slope == 0
    assert intercept == pytest.approx(0.2)
    assert residual == pytest.approx([-0.1, 0, 0.1])
