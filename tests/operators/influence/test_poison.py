"""Features of training views are moved where a test view's loss rises most once the head is trained again."""

import numpy as np
import pytest

from filterscope.operators.influence.head import train
from filterscope.operators.influence.hessian import Hessian
from filterscope.operators.influence.influence import gradients
from filterscope.operators.influence.poison import slopes, trained_on
from tests import naive
from tests.planted.influence import gaussians


@pytest.mark.parametrize("classes", [2, 4])
def test_slopes_are_differences_of_what_the_view_pulls(classes):
    data = gaussians(0, n=40, features=3, classes=classes)
    head = train(data, 0.05)
    hessian = Hessian(data, head, 0.01)
    test = data.take(np.array([1]))
    solved = hessian.solved(gradients(head, test), "exact")[0]
    found = slopes(head, solved, data)
    for row in range(0, 40, 7):
        expected = naive.influence.slope(head.weights, data.basis @ solved, data.x[row], int(data.y[row]))
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-8)


def test_a_small_step_does_what_it_predicts_and_a_random_one_nothing_like_it():
    """Retrained, the test view's loss rises by slope times step over n; along a random direction by far less."""
    data = gaussians(1, n=200, features=8, classes=3)
    rows, test = np.arange(20, 120), data.take(np.array([0]))
    head = train(data, 0.1)
    hessian = Hessian(data, head, 0.0)
    found = slopes(head, hessian.solved(gradients(head, test), "exact")[0], data.take(rows))
    step = 0.05 * found / np.linalg.norm(found)
    noise = np.random.default_rng(0).normal(size=found.shape)
    noise *= np.linalg.norm(step) / np.linalg.norm(noise)
    risen = []
    for move in (step, noise):
        other = trained_on(head, data, rows, data.x[rows, :-1] + move)
        assert other.gradient <= 1e-9
        risen.append((other.losses(test) - head.losses(test)).item())
    assert risen[0] == pytest.approx((found * step).sum() / 200, rel=0.02)
    assert risen[0] > 10 * abs(risen[1])


def test_unchanged_features_give_the_same_head():
    data = gaussians(3, n=60)
    head, rows = train(data, 0.1), np.array([3, 5])
    np.testing.assert_allclose(trained_on(head, data, rows, data.x[rows, :-1]).v, head.v, atol=1e-9)
