"""Influence is what leaving a view out does, by any solver; it finds what was planted."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from filterscope.operators.influence.head import Data, curvature, probabilities, train
from filterscope.operators.influence.hessian import Hessian
from filterscope.operators.influence.influence import gradients, influence, left_out, self_influence
from filterscope.operators.influence.rehearsal import checked, flipped
from filterscope.operators.influence.solve import conjugate_gradients, largest_eigenvalue, lissa
from tests import naive
from tests.planted.influence import gaussians


def split(data, train_count):
    rows = np.arange(len(data.y))
    return data.take(rows[:train_count]), data.take(rows[train_count:])


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_it_equals_the_formula(damping):
    data, test = split(gaussians(0, n=34, features=3, classes=3), 30)
    head = train(data, 0.05)
    hessian = Hessian(data, head, damping)
    found = influence(hessian, hessian.solved(gradients(head, test), "exact"))
    for row in range(4):
        expected = naive.influence.influence(
            head.weights, data.x, data.y, 0.05, (test.x[row], int(test.y[row])), hessian.added
        )
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-9)


def test_the_dense_hessian_is_that_of_products_and_of_differences():
    data = gaussians(1, n=25, features=3, classes=3)
    hessian = Hessian(data, train(data, 0.1), 0.2)
    dense, shape = hessian.dense(), hessian.head.v.shape
    for column in range(len(dense)):
        one = np.eye(len(dense))[column].reshape(shape)
        np.testing.assert_allclose(dense[:, column], hessian.product(one).ravel(), atol=1e-13)
    values = np.linalg.eigvalsh(dense)
    assert hessian.mean_eigenvalue + hessian.added == pytest.approx(values.mean())
    assert hessian.largest == pytest.approx(values[-1], rel=0.01)
    across = np.kron(data.basis, np.eye(4))
    full = naive.influence.hessian(hessian.head.weights, data.x, data.y, 0.1)
    np.testing.assert_allclose(dense - hessian.added * np.eye(8), across.T @ full @ across, atol=1e-6)


def test_leaving_out_gives_what_is_predicted_on_two_gaussians():
    data, test = split(gaussians(2, n=1100, features=10, apart=0.6), 1000)
    head = train(data, 0.01)
    hessian = Hessian(data, head, 0.0)
    worst = test.take(head.losses(test).argsort()[-1:])
    (predicted,) = influence(hessian, hessian.solved(gradients(head, worst), "exact"))
    rows = np.argsort(-np.abs(predicted))[:40]
    actual, gradient = left_out(head, data, worst, rows)
    assert gradient.max() <= 1e-9
    assert np.corrcoef(predicted[rows], actual[:, 0])[0, 1] >= 0.99
    assert spearmanr(predicted[rows], actual[:, 0]).statistic >= 0.98
    assert actual[:, 0] == pytest.approx(predicted[rows], rel=0.15)


def test_solvers_agree_and_say_how_far_off_they_are():
    data, test = split(gaussians(3, n=310, features=8, classes=3), 300)
    head = train(data, 0.1)
    hessian = Hessian(data, head, 0.01)
    b = gradients(head, test)
    exact = hessian.solved(b, "exact")
    assert hessian.residual(exact, b).max() < 1e-12
    by_cg = hessian.solved(b, "cg")
    assert hessian.residual(by_cg, b).max() < 1e-9
    np.testing.assert_allclose(by_cg, exact, rtol=1e-7, atol=1e-9)
    by_lissa = hessian.solved(b, "lissa", seeds=range(10))
    off = hessian.residual(by_lissa, b)
    assert 0.001 < off.max() < 0.35
    found, expected = influence(hessian, by_lissa), influence(hessian, exact)
    assert min(np.corrcoef(one, other)[0, 1] for one, other in zip(found, expected, strict=True)) > 0.98


def test_lissa_of_the_whole_hessian_converges_above_half_of_the_largest_eigenvalue_and_diverges_below():
    data = gaussians(4, n=100, features=4, classes=3)
    hessian = Hessian(data, train(data, 0.05), 0.0)
    b = gradients(hessian.head, data)[0]
    exact = hessian.solved(b[None], "exact")[0]
    fine = lissa(iter([hessian.product] * 2000), b, 1.01 * hessian.largest)
    np.testing.assert_allclose(fine, exact, rtol=1e-6, atol=1e-9)
    wrong = lissa(iter([hessian.product] * 2000), b, 0.4 * hessian.largest)
    assert not np.abs(wrong).max() < 1e6


def test_what_is_solved_does_not_depend_on_what_is_solved_beside():
    data, test = split(gaussians(5, n=270, features=40, classes=5), 200)
    hessian = Hessian(data, train(data, 0.1), 0.01)
    b = gradients(hessian.head, test)
    whole = hessian.solved(b, "exact")
    for start, stop in ((0, 1), (1, 4), (4, 41), (41, 70)):
        np.testing.assert_array_equal(hessian.solved(b[start:stop], "exact"), whole[start:stop])


def test_conjugate_gradients_end_at_once_where_nothing_is_asked_and_in_as_many_steps_as_dimensions():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    matrix = root @ root.T + 0.1 * np.eye(6)
    found, products = conjugate_gradients(lambda v: matrix @ v, np.zeros(6), 1e-12, 50)
    assert products == 0
    assert not found.any()
    b = rng.normal(size=6)
    found, products = conjugate_gradients(lambda v: matrix @ v, b, 1e-8, 50)
    assert products <= 9
    np.testing.assert_allclose(found, np.linalg.solve(matrix, b), rtol=1e-6)
    assert largest_eigenvalue(lambda v: matrix @ v, b) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-3)


def test_self_influence_is_influence_on_oneself():
    data = gaussians(6, n=80, features=4, classes=3)
    hessian = Hessian(data, train(data, 0.05), 0.01)
    whole = influence(hessian, hessian.solved(gradients(hessian.head, data), "exact"))
    found = self_influence(hessian, np.arange(80), "exact")
    np.testing.assert_allclose(found, np.diag(whole), rtol=1e-10)
    assert (found >= 0).all()
    np.testing.assert_allclose(self_influence(hessian, np.array([3, 50]), "cg"), found[[3, 50]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_four_of_five_planted_label_errors_are_found_in_a_fifth(seed):
    clean = gaussians(seed, n=300, features=10, classes=4, apart=1.2)
    wrong = flipped(clean.y, np.arange(300), 4, 0.1, seed)
    data, test = clean.labelled(wrong), gaussians(seed, n=300, features=10, classes=4, apart=1.2)
    assert (wrong != clean.y).sum() == 30
    head = train(data, 0.1)
    suspects = self_influence(Hessian(data, head, 0.01), np.arange(300), "exact")
    orders = {"influence": np.argsort(-suspects), "random": np.random.default_rng(100 + seed).permutation(300)}
    rows = {(row["order"], row["checked"]): row for row in checked(head, data, clean.y, orders, (0, 0.2, 1), test)}
    assert rows["influence", 0.2]["found"] >= 0.8
    assert rows["random", 0.2]["found"] < 0.5
    assert rows["influence", 0]["found"] == 0
    for order in orders:
        assert rows[order, 1]["found"] == 1
        expected = (train(clean, 0.1).predicted(test) == test.y).mean()
        assert rows[order, 1]["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_of_the_test_view_with_a_wrong_label_is_the_most_harmful(seed):
    data, test = split(gaussians(seed, n=201, features=10, classes=3, apart=1.2), 200)
    y = np.append(data.y, (test.y[0] + 1) % 3)
    planted = Data(np.vstack([data.x, test.x]), y, 3)
    head = train(planted, 0.05)
    hessian = Hessian(planted, head, 0.01)
    (found,) = influence(hessian, hessian.solved(gradients(head, test), "exact"))
    assert found.argmin() == 200
    assert found[200] < 0


def test_flips_are_of_whole_images_and_never_to_the_true_class():
    y, image = np.repeat(np.arange(20) % 4, 3), np.repeat(np.arange(20), 3)
    wrong = flipped(y, image, 4, 0.25, 0)
    changed = wrong != y
    assert changed.sum() == 15
    assert len(np.unique(image[changed])) == 5
    assert all(len(set(wrong[image == one])) == 1 for one in range(20))
    np.testing.assert_array_equal(flipped(y, image, 4, 0.0, 0), y)
    assert (flipped(y, image, 4, 1e-9, 0) != y).sum() == 3


def test_curvature_of_a_sample_is_the_mean_over_it():
    data = gaussians(7, n=12, features=3, classes=3)
    head = train(data, 0.1)
    p, v = probabilities(head.scores(data)), np.random.default_rng(1).normal(size=head.v.shape)
    whole = curvature(data, p, np.full(12, 1 / 12), 0.1)(v)
    parts = [curvature(data.take(np.array([n])), p[[n]], np.ones(1), 0.1)(v) for n in range(12)]
    np.testing.assert_allclose(whole, np.mean(parts, axis=0), atol=1e-14)
