"""Heads are at the minimum that scikit-learn finds, whatever they begin with."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from filterscope.operators.influence.head import CONVERGED, Data, Head, contrasts, train
from tests import naive
from tests.planted.influence import gaussians


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_contrasts_are_an_orthonormal_basis_of_what_sums_to_nothing(classes):
    basis = contrasts(classes)
    np.testing.assert_allclose(basis.T @ basis, np.eye(classes - 1), atol=1e-14)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-14)


@pytest.mark.parametrize("l2", [0.001, 0.1, 10.0])
def test_it_is_scikit_learns_minimum(l2):
    data = gaussians(0, n=90, classes=3)
    head = train(data, l2)
    assert head.gradient <= CONVERGED
    other = LogisticRegression(C=1 / (l2 * 90), tol=1e-12, max_iter=10000).fit(data.x[:, :-1], data.y)
    np.testing.assert_allclose(head.weights[:, :-1], other.coef_, atol=1e-5)
    np.testing.assert_allclose(head.weights[:, -1], other.intercept_ - other.intercept_.mean(), atol=1e-5)
    np.testing.assert_array_equal(head.predicted(data), other.predict(data.x[:, :-1]))
    assert naive.influence.objective(head.weights, data.x, data.y, l2) <= naive.influence.objective(
        np.column_stack([other.coef_, other.intercept_]), data.x, data.y, l2
    ) + 1e-12  # fmt: skip


def test_two_classes_are_the_binary_head_with_half_of_the_penalty():
    """Of two classes w and -w the penalty is l2 |w|^2, of their difference 2 w it is l2 / 2 |2 w|^2 / 2."""
    data = gaussians(1, n=80)
    weights = train(data, 0.1).weights
    other = LogisticRegression(C=1 / (0.05 * 80), tol=1e-12, max_iter=10000).fit(data.x[:, :-1], data.y)
    np.testing.assert_allclose(weights[1] - weights[0], [*other.coef_[0], *other.intercept_], atol=1e-5)


def test_losses_and_gradients_are_the_formulas():
    data = gaussians(2, n=20, classes=4)
    head = train(data, 0.01)
    expected = [naive.influence.loss(head.weights, x, int(y)) for x, y in zip(data.x, data.y, strict=True)]
    np.testing.assert_allclose(head.losses(data), expected, rtol=1e-12, atol=1e-14)
    whole = np.einsum("na,nd,ka->nkd", head.residuals(data), data.x, data.basis)
    for found, x, y in zip(whole, data.x, data.y, strict=True):
        np.testing.assert_allclose(found, naive.influence.gradient(head.weights, x, int(y)), atol=1e-12)


def test_a_start_elsewhere_ends_at_the_same_minimum():
    data = gaussians(3, n=60, classes=3)
    head = train(data, 0.01)
    other = train(data, 0.01, start=np.random.default_rng(0).normal(0, 3, head.v.shape))
    assert other.gradient <= CONVERGED
    np.testing.assert_allclose(other.v, head.v, atol=1e-6)


def test_separable_and_enormous_features_converge():
    """Nothing overflows, and the line search keeps Newton's method from running away."""
    y = np.arange(40) % 2
    x = np.where(y, 1.0, -1.0)[:, None] * np.array([[1.0, 1000.0]])
    head = train(Data.of(x, y, 2), 1e-4)
    assert head.gradient <= 1e-6
    assert (head.predicted(Data.of(x, y, 2)) == y).all()


def test_without_a_view_the_penalty_weighs_as_it_did():
    """Scikit-learn's sum of losses has the same C without the view."""
    data = gaussians(4, n=50, classes=3)
    head = train(data, 0.02, without=7)
    others = np.delete(np.arange(50), 7)
    other = LogisticRegression(C=1 / (0.02 * 50), tol=1e-12, max_iter=10000).fit(data.x[others, :-1], data.y[others])
    np.testing.assert_allclose(head.weights[:, :-1], other.coef_, atol=1e-5)


def test_weights_make_the_head_again():
    head = train(gaussians(5, classes=4), 0.1)
    np.testing.assert_allclose(Head.of_weights(head.weights, 0.1).v, head.v, atol=1e-14)
