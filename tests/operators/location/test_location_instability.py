"""Planted followers, constants and shuffles score what follows on paper."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.location.location_instability import (
    PROTOCOLS,
    c4,
    columns_of,
    compare,
    crop_centre,
    field_centres,
    steadiness,
    uniform_positions,
)
from filterscope.operators.location.triggering import triggered_among
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from tests import naive

EXTENT = (224, 224)
DIAGONAL = math.hypot(*EXTENT)
WEIGHTS = poisson_weights(100, 7)


def landmarks_of(rng, units, images):
    return rng.normal(112, 30, (units, images, 2))


def compared(positions, landmarks, *, protocol="survey", groups=None, weights=WEIGHTS):
    units, images, _ = positions.shape
    drawn = uniform_positions(np.arange(units)[:, None], np.arange(images), 3, EXTENT)
    fixed = np.broadcast_to(crop_centre(EXTENT), drawn.shape)
    groups = np.broadcast_to(np.arange(images), (units, images)) if groups is None else groups
    baselines = np.stack([fixed, drawn], axis=2)
    return compare(positions, landmarks, baselines, np.ascontiguousarray(groups), EXTENT, PROTOCOLS[protocol], weights)


@pytest.mark.parametrize("jitter", [2.0, 10.0])
def test_a_follower_with_known_jitter_gives_the_planted_deviation(jitter):
    # Distances of normal jitter are Rayleigh: deviation sigma sqrt(2 - pi / 2), kurtosis 3.245.
    units, images = 200, 100
    rng = np.random.default_rng(0)
    landmarks = landmarks_of(rng, units, images)
    found = compared(landmarks + rng.normal(0, jitter, landmarks.shape), landmarks)
    expected = jitter * math.sqrt(2 - math.pi / 2) / DIAGONAL
    standard_error = expected * math.sqrt((3.245 - 1) / (4 * images * units))
    assert abs(found.instability.mean() - expected) < 3 * standard_error
    assert found.tracking.mean() == pytest.approx(1 - jitter**2 / 30**2, abs=0.01)
    assert found.displacement.mean() == pytest.approx(math.sqrt(2) * jitter / DIAGONAL, rel=0.01)
    assert found.constant.mean() == pytest.approx(math.sqrt(2) * 30 / DIAGONAL, rel=0.01)
    assert (found.p_value < 0.01).all()


def test_a_constant_filter_tracks_nothing_and_scores_as_its_own_baseline():
    landmarks = landmarks_of(np.random.default_rng(1), 20, 60)
    found = compared(np.broadcast_to(crop_centre(EXTENT), landmarks.shape), landmarks)
    np.testing.assert_array_equal(found.instability, found.baselines[:, 0])
    np.testing.assert_allclose(found.tracking, 0, atol=1e-12)
    np.testing.assert_allclose(found.displacement, found.constant, rtol=1e-12)
    assert (found.p_value[:, 0] == 1).all()
    assert (found.p_value[:, 1] < 0.05).all()


def test_a_ring_of_landmarks_hides_from_distances_that_a_dot_follows_nothing():
    rng = np.random.default_rng(3)
    angle, radius = rng.uniform(0, 2 * np.pi, (50, 80)), rng.normal(60, 8, (50, 80))
    landmarks = crop_centre(EXTENT) + radius[..., None] * np.stack([np.sin(angle), np.cos(angle)], 2)
    dot = compared(np.broadcast_to(crop_centre(EXTENT), landmarks.shape), landmarks)
    follower = compared(landmarks + rng.normal(0, 12, landmarks.shape), landmarks)
    # the dot's D is the radius' deviation; the follower's, of vectors of its own size, is about as large
    assert dot.instability.mean() == pytest.approx(8 / DIAGONAL, rel=0.02)
    assert follower.instability.mean() == pytest.approx(12 * math.sqrt(2 - math.pi / 2) / DIAGONAL, rel=0.04)
    assert dot.instability.mean() == pytest.approx(follower.instability.mean(), rel=0.1)
    # displacement and tracking tell them apart
    assert dot.displacement.mean() > 3.5 * follower.displacement.mean()
    np.testing.assert_allclose(dot.tracking, 0, atol=1e-12)
    assert follower.tracking.mean() > 0.9


def test_a_unit_that_follows_only_where_it_fires_strongly_tracks_there():
    rng = np.random.default_rng(4)
    landmarks = landmarks_of(rng, 20, 100)
    positions = landmarks + rng.normal(0, 5, landmarks.shape)
    positions[:, 30:] = rng.uniform(0, 224, (20, 70, 2))
    strength = np.broadcast_to(np.where(np.arange(100) < 30, 1.0, 0.4), (20, 100))
    hits = triggered_among(strength)
    np.testing.assert_array_equal(hits, np.broadcast_to(np.arange(100) < 30, hits.shape))
    where = np.where(hits[..., None], landmarks, np.nan)
    found = columns_of(compared(positions, landmarks), steadiness(positions, where, EXTENT, PROTOCOLS["survey"]))
    assert (found["triggered_share"] == 0.3).all()
    assert (found["tracking"] < 0).all()
    assert (found["triggered_tracking"] > 0.9).all()
    assert (found["triggered_instability"] < found["instability"] / 3).all()


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        ([4, 1, 0.9, -np.inf], [True, True, False, False]),  # half the mean of three is .98
        ([-1, -2, -3], [False, False, False]),  # before a rectifier nothing may be above 0
        ([np.nan, np.nan], [False, False]),
        ([1.0] * 20 + [0.5] * 5, [True] * 25),
        ([3.0] * 20 + [1.5, 1.49], [True] * 21 + [False]),
    ],
)
def test_triggered_is_half_the_mean_of_the_best(strength, expected):
    assert triggered_among(np.array([strength], float))[0].tolist() == expected


def test_a_shuffled_filter_tracks_less_than_nothing():
    # Positions of other images: tr Cov(p_k - p) = tr Cov(p_k) + tr Cov(p), so tracking = -tr Cov(p) / tr Cov(p_k).
    units, images = 300, 100
    rng = np.random.default_rng(2)
    landmarks = landmarks_of(rng, units, images)
    followed = landmarks + rng.normal(0, 15, landmarks.shape)
    found = compared(followed[:, rng.permutation(images)], landmarks)
    assert found.tracking.mean() == pytest.approx(-(30**2 + 15**2) / 30**2, abs=0.05)
    assert (found.p_value[:, 0] < 0.05).mean() < 0.02


@pytest.mark.parametrize("images", [10, 30, 100])
def test_positions_drawn_anew_beat_drawn_ones_as_often_as_chance_allows(images):
    units = 3000
    rng = np.random.default_rng(images)
    landmarks = landmarks_of(rng, units, images)
    found = compared(rng.uniform(-0.5, 223.5, landmarks.shape), landmarks)
    assert found.instability.mean() == pytest.approx(found.baselines[:, 1].mean(), rel=0.02)
    # three binomial standard errors, and one per cent for a bootstrap of few images
    assert (found.p_value[:, 1] < 0.05).mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / units) + 0.01


@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.sampled_from(sorted(PROTOCOLS)))
def test_deviations_equal_the_twin(seed, images, name):
    rng = np.random.default_rng(seed)
    landmarks, positions = landmarks_of(rng, 2, images), rng.uniform(0, 223, (2, images, 2))
    landmarks[rng.random((2, images)) < 0.2] = np.nan
    protocol = PROTOCOLS[name]
    found = compared(positions, landmarks, protocol=name)
    for unit in range(2):
        expected = naive.location.location_instability(
            positions[unit], landmarks[unit], EXTENT, fewest=protocol.fewest, unbiased=protocol.unbiased
        )
        assert found.images[unit] == (~np.isnan(landmarks[unit, :, 0])).sum()
        np.testing.assert_allclose((found.instability[unit], found.tracking[unit]), expected, rtol=1e-9)
        if not np.isnan(expected[0]):
            vectors = naive.location.displacement(positions[unit], landmarks[unit], EXTENT)
            np.testing.assert_allclose((found.displacement[unit], found.constant[unit]), vectors, rtol=1e-9)
        assert np.isnan(found.p_value[unit]).all() == np.isnan(expected[0])


@given(st.integers(0, 2**32 - 1), st.integers(10, 16))
def test_bootstrap_equals_the_twin_and_keeps_views_of_an_image_together(seed, images):
    rng = np.random.default_rng(seed)
    landmarks, positions = landmarks_of(rng, 1, images), rng.uniform(0, 223, (1, images, 2))
    groups, weights = rng.integers(0, images, (1, images)), poisson_weights(images, seed, 50)
    found = compared(positions, landmarks, groups=groups, weights=weights)
    fixed = np.broadcast_to(crop_centre(EXTENT), positions.shape)
    unit, base = (np.linalg.norm(landmarks - p, axis=2)[0].tolist() for p in (positions, fixed))
    count = naive.statistics.bootstrap_not_better(unit, base, groups[0].tolist(), weights)
    assert found.p_value[0, 0] == pytest.approx((count + 1) / 51)


def test_flips_add_no_evidence():
    rng = np.random.default_rng(5)
    landmarks = landmarks_of(rng, 200, 12)
    positions = landmarks + rng.normal(0, 26, landmarks.shape)
    once = compared(positions, landmarks)
    groups = np.broadcast_to(np.repeat(np.arange(12), 2), (200, 24))
    twice = compared(np.repeat(positions, 2, 1), np.repeat(landmarks, 2, 1), groups=groups)
    loose = compared(np.repeat(positions, 2, 1), np.repeat(landmarks, 2, 1))
    extreme = [np.abs(found.p_value[:, 0] - 0.5).mean() for found in (once, twice, loose)]
    assert extreme[1] == pytest.approx(extreme[0], abs=0.005)
    assert extreme[2] > extreme[0] + 0.03


def test_c4_is_the_mean_deviation_of_normal_values():
    assert c4(2) == pytest.approx(math.sqrt(2 / math.pi))
    assert c4(10) == pytest.approx(0.9727, abs=5e-5)
    drawn = np.random.default_rng(0).normal(size=(200_000, 5)).std(axis=1, ddof=1)
    assert c4(5) == pytest.approx(drawn.mean(), abs=3e-3)


def test_centres_lie_at_the_first_centre_plus_strides():
    centres = field_centres(np.array([0, 3, 4, 13]), 4, (15.5, -0.5), (32.0, 16.0))
    assert centres.tolist() == [[15.5, -0.5], [15.5, 47.5], [47.5, -0.5], [111.5, 15.5]]


def test_uniform_positions_belong_to_unit_and_view_and_cover_the_input():
    units, views = np.arange(40)[:, None], np.arange(500)
    drawn = uniform_positions(units, views, 11, (100, 200))
    np.testing.assert_array_equal(drawn[7:9, 20:30], uniform_positions(units[7:9], views[20:30], 11, (100, 200)))
    assert (drawn != uniform_positions(units, views, 12, (100, 200))).any()
    share = (drawn + 0.5) / (100, 200)
    assert share.min() >= 0
    assert share.max() < 1
    counts = np.histogram(share[..., 1], 10)[0]
    assert np.abs(counts / 2000 - 1).max() < 0.1
    assert abs(np.corrcoef(share[..., 0].ravel(), share[..., 1].ravel())[0, 1]) < 0.02
