"""Thresholds are exact over the stored values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.activations.quantile import (
    Gathered,
    add_to_histogram,
    empty_histogram,
    fraction_above,
    moments,
    upper_quantile,
)
from filterscope.operators.numerics.half import settle
from tests import naive

finite = st.floats(width=16, allow_nan=False, allow_infinity=False)
tied = st.sampled_from([-1.5, -6e-8, 0.0, 6e-8, 0.25, 1.0, 6.0, 65504.0])
maps = hnp.arrays(
    np.float16,
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)),
    elements=finite | tied,
)


def histogram(activations):
    settle(activations)
    counts = empty_histogram(activations.shape[1])
    add_to_histogram(counts, activations)
    return counts


def per_unit(activations):
    return activations.astype(np.float64).transpose(1, 0, 2, 3).reshape(activations.shape[1], -1)


@given(maps, st.sampled_from([0.001, 0.005, 0.01, 0.05, 0.3, 0.5, 0.999]))
def test_threshold_equals_numpy_bit_for_bit(activations, quantile):
    expected = np.quantile(per_unit(activations), 1 - quantile, axis=1, method="inverted_cdf")
    np.testing.assert_array_equal(upper_quantile(histogram(activations), quantile), expected)


@given(maps)
def test_threshold_is_the_smallest_value_with_few_enough_above(activations):
    found = upper_quantile(histogram(activations), 0.25)
    assert found.tolist() == [naive.activations.threshold(unit, 0.25) for unit in per_unit(activations)]


@given(maps)
def test_histograms_merge_by_addition(activations):
    settle(activations)
    parts = [histogram(activations[i : i + 1].copy()) for i in range(len(activations))]
    np.testing.assert_array_equal(sum(reversed(parts)), histogram(activations))


@given(st.lists(st.sampled_from([0, 1, 3, 40, 700]), max_size=12), st.integers(0, 2**32 - 1))
def test_gathered_blocks_count_alike(images, seed):
    rng = np.random.default_rng(seed)
    blocks = [rng.standard_normal((n, 2, 9, 9)).astype(np.float16) for n in images]
    counts, expected = empty_histogram(2), empty_histogram(2)
    gathered = Gathered(counts)
    for block in blocks:
        gathered.add(block)
        add_to_histogram(expected, block)
    gathered.flush()
    gathered.flush()
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == sum(block.size for block in blocks)


@given(maps)
def test_moments_and_fraction_equal_numpy(activations):
    counts, values = histogram(activations), per_unit(activations)
    found, threshold = moments(counts), upper_quantile(counts, 0.25)
    np.testing.assert_array_equal(found.minimum, values.min(axis=1))
    np.testing.assert_array_equal(found.maximum, values.max(axis=1))
    np.testing.assert_allclose(found.mean, values.mean(axis=1), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.standard_deviation, values.std(axis=1), rtol=1e-9, atol=1e-7)
    np.testing.assert_array_equal(fraction_above(counts, threshold), (values > threshold[:, None]).mean(axis=1))


def test_large_sample_at_the_published_quantile():
    values = np.random.default_rng(0).standard_normal((50, 4, 14, 14)).clip(0).astype(np.float16)
    expected = np.quantile(per_unit(values), 1 - 0.005, axis=1, method="inverted_cdf")
    np.testing.assert_array_equal(upper_quantile(histogram(values), 0.005), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_settle_finds_what_is_not_finite_and_removes_negative_zero(bad):
    activations = np.zeros((3, 2, 2, 2), np.float16)
    activations[0, 0, 0, 0] = -0.0
    activations[1, 1, 1, 1] = bad
    assert settle(activations)[0].tolist() == [True, False, True]
    assert not np.signbit(activations[0]).any()


@given(maps)
def test_settle_finds_the_maximum_of_each_map(activations):
    expected = activations.max(axis=(2, 3))
    finite, maxima = settle(activations)
    assert finite.all()
    np.testing.assert_array_equal(maxima, expected)
    assert not (np.signbit(maxima) & (maxima == 0)).any()
