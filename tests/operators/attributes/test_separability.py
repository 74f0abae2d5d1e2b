"""AUC, d' and their null are those of the definitions, whatever ties, unknown values and constant units there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from filterscope.operators.attributes.separability import separability
from filterscope.operators.statistics.permutation import Strata
from filterscope.operators.statistics.significance import significance
from tests import naive


@st.composite
def studies(draw):
    """Responses with ties and constant units, attributes with unknown values, and groups of any size."""
    images, units, attributes = draw(st.integers(1, 12)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.sampled_from([1, 2, 5, 1000]))
    responses = rng.integers(-kinds, kinds, (units, images)).astype(np.float32) / np.float32(8)
    values = rng.integers(draw(st.sampled_from([-1, 0])), 2, (images, attributes)).astype(np.int8)
    return responses, values, np.sort(rng.integers(0, images, images))


@given(studies())
def test_it_equals_the_definitions(study):
    responses, values, group = study
    found = separability(responses, values, group, [1, 2])
    for attribute, stated in enumerate(values.T.tolist()):
        for unit, given_ in enumerate(responses.tolist()):
            assert found.auc[attribute, unit] == pytest.approx(float(naive.attributes.auc(given_, stated)), abs=1e-15)
            assert found.score[attribute, unit] == pytest.approx(naive.attributes.score(given_, stated), abs=1e-9)
            expected = naive.attributes.d_prime(given_, stated)
            assert found.d_prime[attribute, unit] == pytest.approx(
                np.nan if expected is None else expected, nan_ok=True
            )


@given(studies())
def test_a_permutation_is_the_same_with_labels_of_other_images(study):
    responses, values, group = study
    found = separability(responses, values, group, [3, 4])
    distance = np.zeros((2, *found.auc.shape))
    for attribute, stated in enumerate(values.T):
        (known,) = np.nonzero(stated >= 0)
        for draw, seed in enumerate((3, 4)):
            strata = Strata(np.arange(len(known)), group[known], np.ones((len(known), 1), bool))
            moved = stated[known][strata.permuted(seed)].tolist()
            for unit, given_ in enumerate(responses[:, known].tolist()):
                distance[draw, attribute, unit] = abs(float(naive.attributes.auc(given_, moved)) - 0.5)
                score = naive.attributes.score(given_, moved)
                assert found.null_score[draw, attribute, unit] == pytest.approx(score, abs=1e-9)
    np.testing.assert_allclose(found.auc_by_chance, 0.5 + distance.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.null_best, 0.5 + distance.max(axis=2), atol=1e-12)


@given(studies())
def test_a_unit_alone_has_the_same_bits(study):
    responses, values, group = study
    found = separability(responses, values, group, [5])
    for unit in range(len(responses)):
        alone = separability(responses[unit : unit + 1], values, group, [5])
        for name in ("auc", "d_prime", "score", "auc_by_chance"):
            np.testing.assert_array_equal(getattr(alone, name)[:, 0], getattr(found, name)[:, unit])


def test_it_is_the_area_that_scikit_learn_finds():
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(6, 500)).round(1).astype(np.float32)
    values = (rng.random((500, 5)) < [0.02, 0.2, 0.5, 0.8, 0.98]).astype(np.int8)
    values[rng.random(values.shape) < 0.1] = -1
    found = separability(responses, values, np.arange(500), [])
    for attribute, stated in enumerate(values.T):
        known = stated >= 0
        for unit in range(6):
            expected = roc_auc_score(stated[known], responses[unit, known])
            assert found.auc[attribute, unit] == pytest.approx(expected, abs=1e-12)


def planted(images=4000, distance=1.0, seed=0):
    """A unit that is normal, higher by `distance` where an image has attribute 1; 19 units and 9 attributes of chance."""
    rng = np.random.default_rng(seed)
    values = (rng.random((images, 10)) < 0.4).astype(np.int8)
    responses = rng.normal(size=(20, images)).astype(np.float32)
    responses[3] += np.float32(distance) * values[:, 1]
    return responses, values


def test_a_unit_that_follows_an_attribute_has_the_area_of_the_closed_form():
    """Of two normal distributions a standard deviations apart, the area is Phi(a / sqrt 2) and d' is a."""
    responses, values = planted()
    found = separability(responses, values, np.arange(4000), range(50))
    assert found.auc[1, 3] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert found.d_prime[1, 3] == pytest.approx(1, abs=0.07)
    assert np.unravel_index(found.score.argmax(), found.score.shape) == (1, 3)
    q = significance(found.score.ravel(), found.null_score.reshape(50, -1)).q_value.reshape(found.score.shape)
    assert (q[1, 3], (q == q.min()).sum()) == (1 / 51, 1)
    # mean and largest |AUC - 0.5| of chance: normal with the standard deviation of the rank sum
    deviation = np.sqrt(4001 / 12 / (1600 * 2400))
    assert found.auc_by_chance.mean() - 0.5 == pytest.approx(deviation * np.sqrt(2 / np.pi), rel=0.05)
    assert found.null_best.mean() - 0.5 == pytest.approx(deviation * 2.23, rel=0.1)


def test_chance_is_significant_in_two_runs_of_51_at_most():
    """Unrelated labels pass in no more runs than the floor of q allows."""
    wrong = 0
    for seed in range(60):
        responses, values = planted(images=60, distance=0, seed=seed)
        found = separability(responses, values, np.arange(60), range(50))
        q = significance(found.score.ravel(), found.null_score.reshape(50, -1)).q_value
        wrong += (q <= 0.05).any()
    assert wrong <= 6  # 2.4 expected; more than 6 in one of 100


def test_groups_that_share_a_label_and_a_response_are_as_few_as_they_are():
    """Ten groups of 100 images each: a response that follows the group by chance is no evidence, as images it would be."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(10), 100)
    values = np.repeat(rng.permutation(np.arange(10) % 2), 100).astype(np.int8)[:, None]
    responses = (np.repeat(rng.normal(size=(30, 10)), 100, axis=1) + rng.normal(0, 0.1, (30, 1000))).astype(np.float32)

    def found(groups):
        compared = separability(responses, values, groups, range(50))
        return (significance(compared.score.ravel(), compared.null_score.reshape(50, -1)).q_value <= 0.05).sum()

    assert found(group) == 0
    assert found(np.arange(1000)) > 20
