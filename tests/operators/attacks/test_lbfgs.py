"""On a linear classifier the smallest change is known in closed form, with and without the border of the pixel range."""

import numpy as np
import pytest

from filterscope.operators.attacks.lbfgs import ITERATIONS, lbfgs
from tests.naive.attacks import shortest
from tests.operators.attacks.linear import problem, slopes


@pytest.mark.parametrize("lead", [0.05, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_change_is_the_smallest_to_a_thousandth(seed, lead):
    weight, bias, image = problem(seed, lead)
    found = lbfgs(image, slopes(weight, bias, 0)[0])
    length = np.linalg.norm(found.image - image)
    difference = weight[1] - weight[0]
    assert length == pytest.approx(shortest(image, difference, lead), rel=1e-3)
    if seed % 2 == 0:  # far from the border: margin over |w|
        assert length == pytest.approx(lead / np.linalg.norm(difference), rel=1e-3)
    assert found.image.min() >= 0
    assert found.image.max() <= 1
    scores = (weight * found.image).sum(axis=(1, 2, 3)) + bias
    assert scores[1] > scores[0]


def test_a_small_change_is_found_under_a_small_weight():
    """Without a border the smallest weight is 4 margin / |w|^2, in closed form."""
    weight, bias, image = problem(0, 0.6)
    expected = 4 * 0.6 / ((weight[1] - weight[0]) ** 2).sum()
    assert lbfgs(image, slopes(weight, bias, 0)[0]).weight == pytest.approx(expected, rel=2e-3)


def test_what_cannot_be_changed_is_left_as_it_is():
    weight, bias, image = problem(0, 1e6)
    found = lbfgs(image, slopes(weight, bias, 0)[0], tries=5)
    np.testing.assert_array_equal(found.image, image)
    assert found.weight is None
    assert found.queries <= 3 * (1 + 5 * (2 * ITERATIONS + 20))


def test_a_network_that_is_blind_is_left_alone():
    flat = np.zeros((2, 4, 4, 3))
    found = lbfgs(np.full((4, 4, 3), 0.5), slopes(flat, np.array([1.0, 0.0]), 0)[0])
    assert (found.weight, found.queries) == (None, 3)
