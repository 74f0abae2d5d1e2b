"""Clusters, conjunctions and covers are those of slow twins and of other libraries, and find what was planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.blind_spots.apriori import frequent
from filterscope.operators.blind_spots.axes import along_axes
from filterscope.operators.blind_spots.bits import packed
from filterscope.operators.blind_spots.clusters import _assign, _seed, cluster
from filterscope.operators.blind_spots.cover import costs, cover
from filterscope.operators.blind_spots.overrepresented import overrepresented
from filterscope.operators.blind_spots.purity import purity
from tests import naive
from tests.planted.unknowns import conjunction

tables = hnp.arrays(bool, st.tuples(st.integers(1, 150), st.integers(1, 6)))


def named(patterns):
    return [tuple(feature for feature in row if feature >= 0) for row in patterns.tolist()]


@given(tables, st.integers(1, 20))
def test_frequent_conjunctions_are_those_of_counting_all(items, least):
    patterns, views = frequent(packed(items), least)
    assert dict(zip(named(patterns), views.tolist(), strict=True)) == naive.blind_spots.frequent(items, least)
    assert named(patterns) == sorted(named(patterns), key=lambda pattern: (len(pattern), pattern))


@pytest.mark.slow
@given(tables.filter(lambda items: len(items) <= 40), st.integers(0, 6), st.integers(1, 5), st.integers(0, 2**32))
def test_covers_are_those_of_pairs_of_views(items, features, least, seed):
    features = min(features, items.shape[1])
    confidence = np.random.default_rng(seed).random(len(items)).round(2)
    words = packed(items)
    patterns, views = frequent(words, 1)
    cost = costs(words, patterns, features, confidence)
    expected = [naive.blind_spots.cost(items, pattern, features, confidence) for pattern in named(patterns)]
    np.testing.assert_allclose(cost, expected, rtol=1e-9, atol=1e-12)
    assert (cost >= 0).all()
    found = cover(words, patterns, views, cost, len(items), least)
    chosen, partition = naive.blind_spots.cover(items, named(patterns), cost, least)
    assert (list(found.chosen), found.partition.tolist()) == (chosen, partition)


@pytest.mark.parametrize("seed", range(10))
def test_the_planted_conjunction_is_the_first_pattern_of_the_cover(seed):
    items, planted = conjunction(seed)
    words = packed(items)
    patterns, views = frequent(words, len(items) // 20)
    cost = costs(words, patterns, items.shape[1], np.full(len(items), 0.5))
    found = cover(words, patterns, views, cost, len(items), len(items) // 20)
    assert named(patterns)[found.chosen[0]] == (0, 1)
    np.testing.assert_array_equal(found.partition == 0, planted)


def test_no_features_and_no_views_are_no_patterns():
    patterns, views = frequent(packed(np.zeros((5, 0), bool)), 1)
    found = cover(packed(np.zeros((5, 0), bool)), patterns, views, np.empty(0), 5, 1)
    assert (found.chosen, found.partition.tolist()) == ((), [0] * 5)


def blobs(seed, clusters=6, size=40, axes=5):
    rng = np.random.default_rng(seed)
    true = rng.permutation(np.repeat(np.arange(clusters), size))
    return (rng.normal(0, 12, (clusters, axes))[true] + rng.normal(size=(clusters * size, axes))).astype(
        np.float32
    ), true


def test_axes_are_principal_components():
    decomposition = pytest.importorskip("sklearn.decomposition")
    values = (np.random.default_rng(0).normal(size=(300, 80)) * np.geomspace(10, 0.1, 80)).astype(np.float32)
    found = along_axes(values, 50)
    expected = decomposition.PCA(50, svd_solver="full").fit_transform(values.astype(np.float64))
    signs = np.sign((found * expected).sum(axis=0))
    assert found.shape == (300, 50)
    np.testing.assert_allclose(found, expected * signs, atol=2e-3 * found[:, 0].std())


def test_axes_without_variance_are_left_out():
    line = np.outer(np.arange(10), [1, -2]).astype(np.float32)
    assert along_axes(line).shape == (10, 1)
    np.testing.assert_allclose(along_axes(line)[:, 0], -np.sqrt(5) * (np.arange(10) - 4.5), atol=1e-2)
    np.testing.assert_array_equal(along_axes(np.ones((4, 3), np.float32)), np.zeros((4, 1)))


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 8), st.integers(0, 2**32))
def test_points_go_to_the_nearest_centre(count, axes, clusters, seed):
    rng = np.random.default_rng(seed)
    points, centres = (rng.integers(-3, 4, (n, axes)).astype(np.float32) for n in (count, clusters))
    labels, nearest = np.full(count, -1), np.empty(count, np.float32)
    assert _assign(points, np.ascontiguousarray(centres.T), labels, nearest) == count
    assert labels.tolist() == naive.blind_spots.assign(points, centres)
    np.testing.assert_array_equal(nearest, ((points - centres[labels]) ** 2).sum(axis=1))


def test_clusters_have_the_inertia_of_scikit_learn_from_the_same_start():
    sklearn = pytest.importorskip("sklearn.cluster")
    points, _ = blobs(1)
    rng = np.random.default_rng(3)
    points = np.concatenate([points, rng.normal(0, 9, (400, 5)).astype(np.float32)])
    for count in (7, 40):
        draws = (np.random.PCG64(5).random_raw(count) >> np.uint64(11)) * 2.0**-53
        start = points[_seed(np.ascontiguousarray(points.T), draws)]
        oracle = sklearn.KMeans(count, init=start, n_init=1, max_iter=25, tol=0).fit(points)
        assert cluster(points, count, 5).inertia == pytest.approx(oracle.inertia_, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_are_found(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    points, true = blobs(seed)
    best = min((cluster(points, 6, start) for start in range(5)), key=lambda found: found.inertia)
    assert metrics.adjusted_rand_score(true, best.labels) == 1
    assert (np.diff(np.bincount(best.labels)) <= 0).all()


def test_points_that_coincide_share_a_cluster():
    found = cluster(np.repeat(np.float32([[0], [1]]), [3, 5], axis=0), 8, 0)
    assert found.labels.tolist() == [1] * 3 + [0] * 5
    assert found.inertia == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 4)), max_size=40))
def test_purity_and_entropy_are_those_of_known_labels(views):
    partition, label = (np.array([row[n] for row in views], np.int64) for n in (0, 1))
    found = purity(partition, label, 4)
    for number in range(4):
        known = [value for place, value in views if place == number and value >= 0]
        assert found.labelled[number] == len(known)
        expected = naive.blind_spots.purity(known) if known else (np.nan, np.nan)
        np.testing.assert_allclose((found.purity[number], found.entropy[number]), expected, atol=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_p_values_count_the_ways_to_draw(seed, count):
    rng = np.random.default_rng(seed)
    partition, features = rng.integers(0, 3, count), rng.random((count, 4)) < 0.4
    found = overrepresented(partition, features, 3)
    for number in range(3):
        inside = partition == number
        for feature in range(4):
            having, views = int(features[:, feature].sum()), int(features[inside, feature].sum())
            assert found.views[number, feature] == views
            if views * count > inside.sum() * having:
                expected = naive.blind_spots.overrepresented(views, int(inside.sum()), having, count)
                assert found.p[number, feature] == pytest.approx(expected, rel=1e-9)
            else:
                assert found.p[number, feature] == 1


def test_pairs_that_are_not_tested_do_not_count():
    partition, features = np.repeat([0, 1], 10), np.zeros((20, 2), bool)
    features[:10, 0] = features[:8, 1] = True
    tested = np.array([[True, False], [True, False]])
    both, one = overrepresented(partition, features, 2), overrepresented(partition, features, 2, tested=tested)
    assert one.p[0, 1] == one.q[0, 1] == 1
    assert one.q[0, 0] == pytest.approx(2 * both.p[0, 0])
    assert both.lift[0, 0] == 2
