"""The strongest images of planted detectors share a label, those of mixtures do not, and a rotated basis is not special."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.metrics.pairwise import cosine_similarity

from filterscope.operators.attributes.semantics import by_chance, coherence, directions, purity, strongest
from tests.naive import attributes as naive

CLASSES, EACH = 12, 30
LABEL = np.repeat(np.arange(CLASSES), EACH)
OWN = np.arange(len(LABEL))


def detectors(seed=0, noise=0.3):
    """Responses of one planted detector for each class."""
    rng = np.random.default_rng(seed)
    return (LABEL[:, None] == np.arange(CLASSES)) + rng.normal(0, noise, (len(LABEL), CLASSES))


def mean_purity(responses, axes, top=8):
    return purity(strongest(responses, axes, OWN, top), LABEL)[1].mean()


def p_of_units(responses, seed, draws=19):
    own = mean_purity(responses, np.eye(CLASSES))
    others = [mean_purity(responses, directions(CLASSES, CLASSES, 1000 * seed + d, rotated=True)) for d in range(draws)]
    return (1 + sum(other >= own for other in others)) / (1 + draws)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 4), st.integers(2, 5))
def test_they_are_those_of_the_naive_twin(seed, images, units, top):
    rng = np.random.default_rng(seed)
    responses = rng.integers(-2, 3, (images, units)).astype(float)
    axes, group = rng.integers(-1, 2, (3, units)).astype(float), rng.integers(0, 4, images)
    found = strongest(responses, axes, group, top)
    for row, axis in zip(found, axes, strict=True):
        assert row.tolist() == naive.strongest(responses.tolist(), axis.tolist(), group.tolist(), top)
    label, features = rng.integers(0, 3, images), rng.integers(-3, 4, (images, 2)).astype(float)
    assert purity(found, label)[1].tolist() == [float(naive.purity(label[row].tolist())) for row in found]
    if found.shape[1] > 1:
        expected = [naive.coherence(features.tolist(), row.tolist()) for row in found]
        np.testing.assert_allclose(coherence(found, features), expected, atol=1e-9)


def test_coherence_is_the_mean_of_the_cosines_of_scikit_learn():
    features, chosen = np.random.default_rng(0).normal(2, 1, (40, 7)), by_chance(np.arange(40), 8, 5, 0)
    cosines = cosine_similarity(features - features.mean(axis=0))
    pairs = np.triu_indices(8, 1)
    expected = [cosines[np.ix_(row, row)][pairs].mean() for row in chosen]
    np.testing.assert_allclose(coherence(chosen, features), expected, atol=1e-12)


def test_axes_of_a_rotation_are_orthogonal_and_random_directions_are_not():
    rotated, random = (directions(40, 12, 7, rotated=kind) for kind in (True, False))
    np.testing.assert_allclose(rotated @ rotated.T, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(random, axis=1), 1, atol=1e-12)
    assert np.abs(random @ random.T - np.eye(12)).max() > 0.1
    with pytest.raises(ValueError, match="no 41 axes"):
        directions(40, 41, 0, rotated=True)


def test_directions_are_uniform_over_the_sphere():
    # of a uniform direction in three dimensions, each coordinate is uniform from -1 to 1
    for rotated in (True, False):
        found = np.concatenate([directions(3, 3, seed, rotated=rotated) for seed in range(300)])
        assert kstest(found[::3, 0], "uniform", (-1, 2)).pvalue > 0.01


def test_planted_detectors_are_pure_and_every_rotation_of_them_is_not():
    responses = detectors()
    concept, pure = purity(strongest(responses, np.eye(CLASSES), OWN, 8), LABEL)
    np.testing.assert_array_equal(concept, np.arange(CLASSES))
    assert pure.mean() > 0.95
    assert p_of_units(responses, 0) == 1 / 20


def test_detectors_behind_a_planted_rotation_are_no_purer_than_other_rotations():
    ps = []
    for seed in range(20):
        mixed = detectors(seed) @ directions(CLASSES, CLASSES, 500_000 + seed, rotated=True)
        ps.append(p_of_units(mixed, seed + 1))
    assert kstest(ps, "uniform").pvalue > 0.01
    assert np.mean(np.array(ps) <= 0.05) <= 0.2


def test_images_at_random_have_the_purity_of_drawing_without_replacement():
    found = purity(by_chance(OWN, 8, 400, 0), LABEL)[1]
    rng = np.random.default_rng(1)
    expected = [np.bincount(LABEL[rng.choice(len(LABEL), 8, replace=False)]).max() / 8 for _ in range(4000)]
    assert found.mean() == pytest.approx(np.mean(expected), abs=0.012)


def test_one_image_of_a_group_counts():
    responses, group = np.arange(6.0)[:, None], np.array([0, 0, 1, 1, 1, 2])
    assert strongest(responses, np.ones((1, 1)), group, 8).tolist() == [[5, 4, 1]]
