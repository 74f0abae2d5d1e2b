"""Filters that mix one, two or three patterns are told apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.patterns.local_features import DIMENSIONS
from filterscope.operators.patterns.patterns import describe, find_patterns
from tests.planted.patterns import STRIDE, planted_filter

CELL = (STRIDE, STRIDE)
SEEDS = range(10)


def found_in(patterns, peaks, seed, **how):
    place, features, true = planted_filter(patterns, peaks, seed, **how)
    return find_patterns(place, features, CELL, seed), true


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("anywhere", [False, True])
@pytest.mark.parametrize("peaks", [60, 300])
@pytest.mark.parametrize("patterns", [1, 2, 3])
def test_as_many_patterns_are_found_as_were_planted(patterns, peaks, anywhere, noise):
    for seed in SEEDS:
        found, true = found_in(patterns, peaks, seed, noise=noise, anywhere=anywhere)
        assert found.patterns == patterns
        pairs = set(zip(found.labels.tolist(), true.tolist(), strict=True))
        assert len(pairs) == patterns  # each found pattern is one planted pattern


@pytest.mark.parametrize("anywhere", [False, True])
def test_other_peaks_go_to_the_pattern_that_they_are_of(anywhere):
    for seed in SEEDS:
        place, features, true = planted_filter(3, 300, seed, noise=0.3, anywhere=anywhere)
        found = find_patterns(place[:200], features[:200], CELL, seed)
        assigned = found.assign(place[200:], features[200:])
        pairs = set(zip(found.labels.tolist(), true[:200].tolist(), strict=True))
        assert set(zip(assigned.tolist(), true[200:].tolist(), strict=True)) == pairs
        assert len(pairs) == 3


def test_five_hundred_peaks_of_one_pattern_anywhere_are_one_pattern():
    assert [found_in(1, 500, seed, noise=0.3, anywhere=True)[0].patterns for seed in SEEDS] == [1] * len(SEEDS)


def test_patterns_that_differ_in_place_alone_are_told_apart():
    for seed in SEEDS:
        _, features, true = planted_filter(2, 100, seed, noise=0.3)
        features = features[true == 0][np.arange(100) % (true == 0).sum()]
        rng = np.random.default_rng(seed)
        place = np.where(np.arange(100)[:, None] % 2, 60, 160) + rng.normal(0, 8, (100, 2))
        found = find_patterns(place // STRIDE * STRIDE, features, CELL, seed)
        assert found.patterns == 2
        assert (found.labels == found.labels[0]).tolist() == [True, False] * 50


def test_peaks_alike_are_one_pattern():
    found = find_patterns(np.full((20, 2), 40.0), np.full((20, DIMENSIONS), 0.25, np.float16), CELL, 0)
    assert (found.patterns, found.labels.tolist()) == (1, [0] * 20)


@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.integers(1, 3))
def test_axes_of_a_half_are_not_correlated_and_come_widest_first(seed, peaks, patterns):
    place, features, _ = planted_filter(patterns, peaks, seed, noise=0.5)
    points = describe(place, features, CELL, seed)
    assert 2 <= points.shape[1] <= min(8, peaks // 5)
    for half in (points[:, :2], points[:, 2:]):
        covariance = (half.T @ half) / peaks
        np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
        assert (np.diff(np.diag(covariance)) <= 1e-9).all()
        assert np.trace(covariance) <= 1 + 1e-9
    assert points.var(axis=0).min() >= 0.01 - 1e-9
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)
    # the origin of places and their unit do not matter
    moved = describe(place * 2 + 64, features, (2 * STRIDE, 2 * STRIDE), seed)
    np.testing.assert_allclose(np.abs(moved), np.abs(points), atol=1e-8)
