"""Mixtures of Gaussians equal their twin, and those of scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from filterscope.operators.numerics.gaussian_mixture import FEWEST, MARGIN, MOST, _expect, _maximise, fit_mixture
from tests import naive


def drawn_points(seed, count, axes, kinds):
    rng = np.random.default_rng(seed)
    homes = rng.normal(0, rng.uniform(0.5, 4), (kinds, axes))
    points = homes[np.arange(count) % kinds] + rng.normal(0, 1, (count, axes))
    return points - points.mean(axis=0)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_points_are_assigned_to_the_cluster_of_the_likeliest_gaussian(seed, clusters):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (60, 2)) + 8 * (np.arange(60)[:, None] % clusters)
    found = fit_mixture(points - points.mean(axis=0), seed)
    other = rng.uniform(-12, 12, (40, 2))
    logs = naive.numerics.log_densities(other, found.weights, found.means, found.variances)
    logs[:, found.cluster < 0] = -np.inf
    assert found.assign(other).tolist() == found.cluster[logs.argmax(axis=1)].tolist()
    assert set(found.cluster[found.cluster >= 0].tolist()) == set(range(found.clusters))
    # the last step of EM moves a point or two at most
    assert (found.assign(points - points.mean(axis=0)) == found.labels).mean() > 0.9


@given(st.integers(0, 2**32 - 1), st.integers(10, 80), st.integers(1, 4), st.integers(1, 4))
def test_mixtures_equal_the_twin(seed, count, axes, kinds):
    points = drawn_points(seed, count, axes, kinds)
    try:
        labels, gaussians, bic = naive.numerics.fit_mixture(points, seed)
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
    expected, twin = naive.numerics.expected(points, weights, means, variances)
    np.testing.assert_allclose(share, expected, atol=1e-12)
    assert likelihood == pytest.approx(twin, rel=1e-12)


def drawn_mixture(kind, seed, count=200, axes=3, components=3):
    """Draw points, and weights, means and variances near those that they were drawn from."""
    rng = np.random.default_rng(seed)
    far, wide = {"random": (1.5, 1.0), "separated": (30.0, 1.0), "nearly degenerate": (3.0, 1e-4)}[kind]
    homes = far * rng.normal(size=(components, axes))
    if kind == "separated":
        homes = far * (np.arange(components)[:, None] + rng.uniform(0, 0.2, (components, axes)))
    spread = np.where(np.arange(axes) == 0, wide, 1.0)  # a Gaussian may be nearly flat along one axis
    points = homes[np.arange(count) % components] + rng.normal(size=(count, axes)) * spread
    middle = points.mean(axis=0)
    weights = rng.dirichlet(np.full(components, 5.0))
    variances = spread**2 * rng.uniform(0.5, 2.0, (components, axes))
    return points - middle, weights, homes - middle, variances


def in_sklearn(weights, means, variances, **how):
    """Return a mixture of scikit-learn that starts from these parameters."""
    start = {"weights_init": weights, "means_init": means, "precisions_init": 1 / variances}
    return GaussianMixture(len(weights), covariance_type="diag", reg_covar=0.0, init_params="random", **start, **how)


def set_to(weights, means, variances):
    """Return a mixture of scikit-learn that has these parameters."""
    mixture = in_sklearn(weights, means, variances)
    mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, variances
    mixture.precisions_cholesky_ = 1 / np.sqrt(variances)
    return mixture


KINDS = ["random", "separated", "nearly degenerate"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_shares_and_likelihood_are_those_of_scikit_learn(kind, seed):
    points, *parameters = drawn_mixture(kind, seed)
    share = np.empty((len(points), 3))
    likelihood = _expect(points, *parameters, share)
    other = set_to(*parameters)
    np.testing.assert_allclose(share, other.predict_proba(points), rtol=1e-6, atol=1e-12)
    # scikit-learn multiplies the square out, which costs digits where the mean is 1e4 standard deviations from 0
    digits = 1e-6 if kind == "nearly degenerate" else 1e-11
    assert likelihood == pytest.approx(other.score_samples(points).sum(), rel=0, abs=digits * len(points))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_em_goes_where_that_of_scikit_learn_goes_from_the_same_start(kind, steps):
    points, weights, means, variances = drawn_mixture(kind, steps)
    other = in_sklearn(weights, means, variances, max_iter=steps, tol=0.0).fit(points)
    assert other.n_iter_ == steps
    share = np.empty((len(points), 3))
    for _ in range(steps):
        _expect(points, weights, means, variances, share)
        _maximise(points, share, np.zeros(3), weights, means, variances)
    np.testing.assert_allclose(weights, other.weights_, rtol=1e-6)
    np.testing.assert_allclose(means, other.means_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(variances, other.covariances_, rtol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(20, 80), st.integers(1, 4), st.integers(1, 4))
def test_bic_is_that_of_scikit_learn(seed, count, axes, kinds):
    """EM ends where a step gains less than 1e-5 a point; the parameters are one step further than the likelihood."""
    points = drawn_points(seed, count, axes, kinds)
    found = fit_mixture(points, seed)
    assume(found.gaussians > 1 or kinds == 1)
    other = set_to(found.weights, found.means, found.variances).bic(points)
    assert found.bic[found.gaussians - 1] == pytest.approx(other, abs=1e-3 * count)


@pytest.mark.parametrize("components", [2, 3, 5])
def test_clusters_far_apart_are_those_of_scikit_learn(components):
    for seed in range(5):
        points, *_ = drawn_mixture("separated", seed, components=components)
        found = fit_mixture(points, seed)
        other = GaussianMixture(components, covariance_type="diag", n_init=3, random_state=seed).fit(points)
        assert found.clusters == components
        assert adjusted_rand_score(found.labels, other.predict(points)) == 1
