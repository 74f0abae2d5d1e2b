"""Windows are filled as the conditional of a Gaussian says, and pixels get the mean of the windows that cover them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import multivariate_normal

from filterscope.operators.attribution.prediction_difference import (
    PatchGaussian,
    WindowSampler,
    weight_of_evidence,
    window_starts,
)
from filterscope.operators.attribution.windows import averaged, covering
from tests import naive

ROUNDING = 1 / 12


def pictures(count=2, size=(24, 30), seed=0):
    """Return smooth random images."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (count, *size, 3))
    return (128 + 200 * gaussian_filter(noise, (0, 1, 1, 0))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def gaussian():
    return PatchGaussian.fit(pictures(), 7, 10**6, 0)


def test_the_gaussian_has_mean_and_covariance_of_all_patches(gaussian) -> None:
    images = pictures()
    patches = [image[y : y + 7, x : x + 7, 1].ravel() for image in images for y in range(24 - 6) for x in range(30 - 6)]
    assert gaussian.mean[1] == pytest.approx(np.mean(patches, axis=0))
    assert gaussian.covariance[1] == pytest.approx(np.cov(np.array(patches).T))


def test_patches_are_drawn_from_the_seed_where_there_are_more() -> None:
    one, same, other = (PatchGaussian.fit(pictures(), 7, 100, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.covariance, same.covariance)
    assert not np.array_equal(one.mean, other.mean)


@pytest.mark.parametrize(("row", "column"), [(2, 2), (0, 2), (4, 0)])
def test_the_conditional_is_that_of_seeing_one_pixel_after_another(gaussian, row, column) -> None:
    values = pictures(seed=3)[0, 5:12, 4:11].reshape(49, 3).astype(float)
    inside = np.zeros((7, 7), bool)
    inside[row : row + 3, column : column + 3] = True
    found = gaussian.given_surround(row, column, 3)
    for channel in range(3):
        mean, covariance = naive.attribution.given_surround(
            gaussian.mean[channel], gaussian.covariance[channel], values[:, channel], inside.ravel(), ROUNDING
        )
        known = values[found.outer, channel] - gaussian.mean[channel, found.outer]
        assert found.mean[channel] + found.gain[channel] @ known == pytest.approx(mean, rel=1e-6)
        assert found.root[channel] @ found.root[channel] == pytest.approx(covariance, abs=1e-6 * covariance.max())


def test_the_conditional_is_joint_over_marginal_density_of_scipy(gaussian) -> None:
    found = gaussian.given_surround(2, 2, 3)
    values = pictures(seed=4)[0, 8:15, 9:16, 0].ravel().astype(float)
    mean, joint = gaussian.mean[0], gaussian.covariance[0].copy()
    joint[found.outer, found.outer] += ROUNDING
    joint[found.inner, found.inner] += 1e-3  # the same on both sides, for densities need full rank
    marginal = multivariate_normal(mean[found.outer], joint[np.ix_(found.outer, found.outer)])
    centre = found.mean[0] + found.gain[0] @ (values - mean)[found.outer]
    left = found.root[0] @ found.root[0] + 1e-3 * np.eye(9)
    ours = multivariate_normal(centre, left).logpdf(values[found.inner])
    oracle = multivariate_normal(mean, joint).logpdf(values) - marginal.logpdf(values[found.outer])
    assert ours == pytest.approx(oracle, rel=1e-6)


def test_windows_at_the_border_are_drawn_given_the_patch_moved_inwards(gaussian) -> None:
    image, random = pictures(seed=5)[0], np.random.default_rng(0)
    corners = np.array([(0, 0), (21, 27), (1, 12), (10, 26), (9, 9)])
    normals = random.standard_normal((len(corners), 2, 3, 9))
    drawn = WindowSampler(gaussian, 3).draw(image, corners, normals)
    assert drawn.dtype == np.float32
    for number, (row, column) in enumerate(corners.tolist()):
        top, left = naive.attribution.surround(row, column, 3, 2, (24, 30))
        inside = np.zeros((7, 7), bool)
        inside[row - top : row - top + 3, column - left : column - left + 3] = True
        for channel in range(3):
            mean, covariance = naive.attribution.given_surround(
                gaussian.mean[channel],
                gaussian.covariance[channel],
                image[top : top + 7, left : left + 7, channel].ravel().astype(float),
                inside.ravel(),
                ROUNDING,
            )
            values, vectors = np.linalg.eigh(covariance)
            root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
            for sample in range(2):
                expected = (mean + root @ normals[number, sample, channel]).clip(0, 255)
                assert drawn[number, sample, :, :, channel].ravel() == pytest.approx(expected, abs=0.05)


def test_flat_images_are_filled_with_their_colour() -> None:
    flat = np.full((12, 12, 3), 77, np.uint8)
    sampler = WindowSampler(PatchGaussian.fit(flat[None], 7, 100, 0), 3)
    normals = np.random.default_rng(0).standard_normal((2, 4, 3, 9))
    assert (sampler.draw(flat, np.array([(0, 0), (5, 6)]), normals) == 77).all()


@given(size=st.integers(3, 20), window=st.integers(1, 3), stride=st.integers(1, 3))
def test_windows_cover_every_pixel(size, window, stride) -> None:
    stride = min(stride, window)
    starts = window_starts(size, window, stride)
    assert {pixel for start in starts.tolist() for pixel in range(start, start + window)} == set(range(size))
    assert starts[-1] == size - window
    assert np.diff(starts).max(initial=0) <= stride


@given(
    extent=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_pixels_get_the_mean_of_the_windows_that_cover_them(extent, window, stride, seed) -> None:
    starts = tuple(window_starts(size, window, min(stride, window)) for size in extent)
    values = np.random.default_rng(seed).normal(size=tuple(len(axis) for axis in starts))
    named = {(int(y), int(x)): values[i, j] for i, y in enumerate(starts[0]) for j, x in enumerate(starts[1])}
    slow = naive.attribution.average_windows(named, window, extent)
    covers = [covering(axis, window, size) for axis, size in zip(starts, extent, strict=True)]
    assert averaged(values, *covers) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("known", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("training_images", [100, 1_281_167])
def test_evidence_is_the_difference_of_log_odds_after_laplaces_correction(known, training_images) -> None:
    unknown = np.array([0.0, 0.2, 0.3, 1.0])
    slow = [naive.attribution.weight_of_evidence(known, value, 10, training_images) for value in unknown]
    found = weight_of_evidence(known, unknown, 10, training_images)
    assert found == pytest.approx(slow)
    assert np.isfinite(found).all()
