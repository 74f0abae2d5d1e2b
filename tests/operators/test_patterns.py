"""Filters that mix one, two or three patterns are told apart; nothing depends on blocks; kernels equal their twins."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from filterscope.operators.activations.local_maxima import LocalMaxima
from filterscope.operators.numerics.gaussian_mixture import FEWEST, MARGIN, MOST, _expect, _maximise, fit_mixture
from filterscope.operators.numerics.principal_axes import principal_axes
from filterscope.operators.patterns.local_features import DIMENSIONS, add_channels, normalised, signs
from filterscope.operators.patterns.patterns import describe, find_patterns
from tests import naive_patterns as naive
from tests.planted_patterns import STRIDE, planted_filter

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


@given(st.integers(0, 1000), st.integers(1, 3))
def test_points_are_assigned_to_the_cluster_of_the_likeliest_gaussian(seed, clusters):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (60, 2)) + 8 * (np.arange(60)[:, None] % clusters)
    found = fit_mixture(points - points.mean(axis=0), seed)
    other = rng.uniform(-12, 12, (40, 2))
    logs = naive.log_densities(other, found.weights, found.means, found.variances)
    logs[:, found.cluster < 0] = -np.inf
    assert found.assign(other).tolist() == found.cluster[logs.argmax(axis=1)].tolist()
    assert set(found.cluster[found.cluster >= 0].tolist()) == set(range(found.clusters))
    # the last step of EM moves a point or two at most
    assert (found.assign(points - points.mean(axis=0)) == found.labels).mean() > 0.9


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


@given(st.integers(0, 2**32 - 1), st.integers(1, 34), st.integers(1, 40))
def test_principal_axes_are_those_of_lapack(seed, dimensions, count):
    data = np.random.default_rng(seed).normal(size=(count, dimensions))
    matrix = data.T @ data
    values, axes = principal_axes(matrix)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(dimensions), atol=1e-12)
    np.testing.assert_allclose(axes.T @ np.diag(values) @ axes, matrix, atol=1e-9)


def drawn_points(seed, count, axes, kinds):
    rng = np.random.default_rng(seed)
    homes = rng.normal(0, rng.uniform(0.5, 4), (kinds, axes))
    points = homes[np.arange(count) % kinds] + rng.normal(0, 1, (count, axes))
    return points - points.mean(axis=0)


@given(st.integers(0, 2**32 - 1), st.integers(10, 80), st.integers(1, 4), st.integers(1, 4))
def test_mixtures_equal_the_twin(seed, count, axes, kinds):
    points = drawn_points(seed, count, axes, kinds)
    try:
        labels, gaussians, bic = naive.fit_mixture(points, seed)
    except ValueError:
        assume(False)
    found = fit_mixture(points, seed)
    assert found.gaussians == gaussians
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.bic, bic, rtol=1e-6, atol=1e-6 * count)


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 4), st.integers(1, 3))
def test_every_cluster_holds_enough_points_of_the_mixture_that_bic_chooses(seed, count, axes, distinct):
    # few distinct points: distances and densities are tied
    points = np.random.default_rng(seed).integers(0, distinct + 1, (count, axes)).astype(float)
    assume((points.var(axis=0) > 0).all())
    points -= points.mean(axis=0)
    found = fit_mixture(points, seed)
    sizes = np.bincount(found.labels)
    assert len(sizes) == found.clusters <= found.gaussians <= MOST
    assert found.gaussians == 1 or sizes.min() >= FEWEST
    assert (np.diff(sizes) <= 0).all()
    assert found.bic[found.gaussians - 1] <= found.bic[: found.gaussians + 2].min() + MARGIN
    assert found.gain == 0 if found.gaussians == 1 else found.gain > MARGIN


@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.integers(2, 5))
def test_the_likelihood_never_falls(seed, count, components):
    points = drawn_points(seed, count, 3, components)
    floor = 0.01 * points.var(axis=0)
    share = np.random.default_rng(seed).dirichlet(np.ones(components), count)
    weights, means, variances = np.empty(components), np.empty((components, 3)), np.empty((components, 3))
    before = -np.inf
    for _ in range(10):
        _maximise(points, share, floor, weights, means, variances)
        likelihood = _expect(points, weights, means, variances, share)
        assert likelihood >= before - 1e-8 * count
        before = likelihood
    expected, twin = naive.expected(points, weights, means, variances)
    np.testing.assert_allclose(share, expected, atol=1e-12)
    assert likelihood == pytest.approx(twin, rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 32, 33, 100]), st.data())
def test_features_equal_the_twin_whatever_the_blocks_of_channels(seed, channels, data):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, channels, 2, 3)).astype(np.float16) * (rng.random((2, channels, 2, 3)) < 0.5)
    maps[1, :, 0, 0] = 0
    matrix = signs(channels, seed)
    results = []
    for cuts in ([], sorted(data.draw(st.lists(st.integers(0, channels), max_size=3)))):
        sums, squares = np.zeros((2, 6, DIMENSIONS), np.float32), np.zeros((2, 6), np.float32)
        for first, last in zip([0, *cuts], [*cuts, channels], strict=True):
            add_channels(sums, squares, maps[:, first:last], matrix[first:last])
        results.append(normalised(sums, squares))
    assert results[0].tobytes() == results[1].tobytes()
    np.testing.assert_allclose(results[0].astype(float), naive.projected(maps, matrix), atol=2e-3)


def test_the_projection_keeps_distances_to_a_quarter_or_so():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 512))
    one, other = np.triu_indices(40, 1)
    true = ((vectors[one] - vectors[other]) ** 2).sum(axis=1)
    seen = (((vectors @ signs(512, 7))[one] - (vectors @ signs(512, 7))[other]) ** 2).sum(axis=1)
    assert np.std(seen / true) < 0.35
    assert np.mean(seen / true) == pytest.approx(1, abs=0.1)
    assert set(np.abs(signs(512, 7)).ravel().tolist()) == {float(np.float32(1) / np.sqrt(np.float32(DIMENSIONS)))}


def tied_maps(seed, views, units=2, side=4):
    """Small whole numbers: plateaus, ties between maps, constant maps, values at the threshold, negative ones."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(-2, 4, (views, units, side, side)).astype(np.float16)
    maps[rng.random((views, units)) < 0.2] = 3.0
    return maps + 0


def peaks_of(maps, thresholds, blocks, keep):
    peaks = LocalMaxima.empty(maps.shape[1])
    for views in blocks:
        maxima = maps[views].max(axis=(2, 3)).astype(np.float32)
        peaks = peaks.merge(LocalMaxima.of(maps[views], maxima, thresholds, views), keep)
    return peaks


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.sampled_from([-1.0, 0.0, 2.0]))
def test_peaks_equal_the_twin_whatever_the_blocks(seed, views, keep, threshold):
    maps, order = tied_maps(seed, views), np.random.default_rng(seed).permutation(views)
    thresholds = np.array([threshold, 1.0], np.float32)
    whole = peaks_of(maps, thresholds, [np.arange(views)], keep)
    blocks = np.array_split(order, 3)
    cut = peaks_of(maps, thresholds, blocks, keep)
    for name in vars(whole):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    for unit in range(2):
        expected = naive.local_maxima(maps[:, unit], thresholds[unit])
        mine = whole.unit == unit
        found = zip(whole.view[mine].tolist(), whole.position[mine].tolist(), whole.value[mine].tolist(), strict=True)
        assert list(found) == expected[:keep]
        assert whole.count[unit] == len(expected)


def test_maps_of_one_position_have_no_peaks():
    maps = np.arange(6, dtype=np.float16).reshape(6, 1, 1, 1)
    assert peaks_of(maps, np.zeros(1, np.float32), [np.arange(6)], 5).count.tolist() == [0]
