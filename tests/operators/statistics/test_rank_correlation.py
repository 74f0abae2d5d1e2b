"""Rank correlations agree with scipy, with a twin that goes value by value, and with what permutations must give."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from filterscope.operators.statistics.rank_correlation import over_networks, spearman, within_networks
from tests.naive.statistics import rank_correlation

VALUES = st.lists(st.integers(0, 6), min_size=3, max_size=12)


@settings(max_examples=50, deadline=None)
@given(VALUES, VALUES)
def test_spearman_is_that_of_scipy_and_of_the_formula_with_ties(one, other):
    n = min(len(one), len(other))
    x, y = np.array(one[:n], float), np.array(other[:n], float)
    found = float(spearman(x, y))
    if len({*x}) == 1 or len({*y}) == 1:
        assert math.isnan(found)
        return
    assert found == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert found == pytest.approx(rank_correlation(one[:n], other[:n]), abs=1e-12)


def test_rows_are_correlated_one_by_one():
    dice = np.random.default_rng(0)
    x, y = dice.normal(size=(5, 8)), dice.normal(size=(5, 8))
    assert spearman(x, y).tolist() == [float(spearman(a, b)) for a, b in zip(x, y, strict=True)]


def test_an_order_that_is_kept_is_one_and_beyond_chance():
    x = np.arange(12.0)
    found = over_networks(x, x**3, seed=0)
    assert (found.rho, found.low, found.high) == pytest.approx((1, 1, 1))
    assert found.p == pytest.approx(1 / 2001)
    # the variance of a permuted rank correlation is 1 / (n - 1)
    assert (found.chance_low, found.chance_high) == pytest.approx((-1.96 / 11**0.5, 1.96 / 11**0.5), abs=0.06)
    assert over_networks(x, -x, seed=0).rho == pytest.approx(-1)


def test_three_networks_in_order_are_no_evidence():
    """Of the six orders of three, two are as far from 0."""
    assert over_networks(np.arange(3.0), np.arange(3.0), seed=0).p == pytest.approx(1 / 3, abs=0.04)


def test_p_values_of_unrelated_numbers_are_uniform_and_intervals_hold_0_as_often_as_they_say():
    dice = np.random.default_rng(1)
    found = [over_networks(*dice.normal(size=(2, 20)), seed=n) for n in range(60)]
    p = np.array([each.p for each in found])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.06)
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.15)
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.85


def test_the_same_seed_gives_the_same_and_another_another():
    x, y = np.random.default_rng(2).normal(size=(2, 15))
    assert over_networks(x, y, seed=3) == over_networks(x, y, seed=3) != over_networks(x, y, seed=4)


def test_within_networks_differences_between_them_do_not_count():
    """Ten networks of higher and higher level, each of which falls with depth: pooled the correlation would be near 1."""
    depth = np.arange(4.0)
    pairs = [(depth + 10 * n, 10 * n - depth) for n in range(10)]
    found = within_networks(pairs, seed=0)
    assert (found.rho, found.low, found.high) == pytest.approx((-1, -1, -1))
    assert found.p == pytest.approx(1 / 2001)
    assert spearman(np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])) > 0.9


def test_what_is_constant_has_no_correlation_and_does_not_count_among_networks():
    flat, rising = np.ones(4), np.arange(4.0)
    assert math.isnan(over_networks(rising, flat, seed=0).rho)
    assert math.isnan(within_networks([(rising, flat)], seed=0).rho)
    assert within_networks([(rising, flat), (rising, rising)], seed=0).rho == pytest.approx(1)
    assert math.isnan(within_networks([(rising, rising)], seed=0).low)  # one network has no interval over networks
