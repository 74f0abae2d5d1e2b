"""FGSM and PGD succeed exactly where a linear classifier says that they can."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.attacks.sign import STEPS, fgsm, pgd
from tests.operators.attacks.linear import problem, slopes


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_fgsm_succeeds_from_margin_over_the_sum_of_weights(seed):
    weight, bias, image = problem(seed, 0.6)
    threshold = 0.6 / np.abs(weight[1] - weight[0]).sum()
    lead, raised = slopes(weight, bias, 0)
    for factor, succeeds in ((0.999, False), (1.001, True)):
        found, queries = fgsm(image[None], raised, factor * threshold)
        assert lead(found, np.zeros(1, int))[2].tolist() == [succeeds]
        assert queries.tolist() == [3]
        assert np.abs(found - image).max() == pytest.approx(factor * threshold)


@pytest.mark.parametrize("euclidean", [False, True])
def test_pgd_needs_the_radius_that_is_necessary(euclidean):
    weight, bias, image = problem(0, 0.6)
    difference = weight[1] - weight[0]
    least = 0.6 / (np.linalg.norm(difference) if euclidean else np.abs(difference).sum())
    images = np.stack([image] * 3)
    lead, raised = slopes(weight, bias, 0)
    found, queries = pgd(images, raised, least * np.array([0.99, 1.01, 2.1]), euclidean=euclidean)
    assert lead(found, np.arange(3))[2].tolist() == [False, True, True]
    # steps of a quarter of the radius: the third is there after two, and asks once more
    assert queries.tolist() == [3 * STEPS, 15, 9]


@given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(0.01, 2))
def test_pgd_stays_in_ball_and_range(seed, euclidean, radius):
    random = np.random.default_rng(seed)
    images, weight = random.uniform(size=(2, 3, 4, 3)), random.normal(size=(3, 4, 3))
    start = images + random.normal(0, radius, images.shape)

    def slope(given, which):
        return np.zeros(len(given)), np.repeat(weight[None], len(given), 0), np.zeros(len(given), bool)

    found, _ = pgd(images, slope, np.full(2, radius), euclidean=euclidean, start=start)
    change = found - images
    size = np.sqrt((change**2).sum(axis=(1, 2, 3))) if euclidean else np.abs(change).max(axis=(1, 2, 3))
    assert (size <= radius * (1 + 1e-12)).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_every_image_is_attacked_on_its_own():
    weight, bias, image = problem(1, 0.6)
    images = np.stack([image, np.random.default_rng(0).uniform(size=image.shape)])
    raised = slopes(weight, bias, 0)[1]
    together, _ = pgd(images, raised, np.full(2, 0.01))
    for alone, one in zip(images, together, strict=True):
        np.testing.assert_array_equal(pgd(alone[None], raised, np.full(1, 0.01))[0][0], one)
