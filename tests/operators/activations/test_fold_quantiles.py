"""Thresholds of parts of the images are exact, wherever they lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.activations import fold_quantiles
from filterscope.operators.activations.fold_quantiles import part_thresholds
from tests.planted.labels import VALUES

HALVES = np.arange(8) % 2 == np.arange(2)[:, None]
PARTS = np.concatenate([HALVES, ~np.eye(8, dtype=bool), np.ones((1, 8), bool), np.zeros((1, 8), bool)])


def expected(maps, fold, parts, quantile):
    values = [maps[part[fold]].astype(np.float64).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1) for part in parts]
    found = [
        np.quantile(own, 1 - quantile, axis=1, method="inverted_cdf") if own.size else np.full(len(own), np.inf)
        for own in values
    ]
    return np.array(found, np.float32)


def in_cuts(maps, fold, cut):
    """Give the images in two pieces, and count how often they are asked for."""
    asked = []

    def passes():
        asked.append(None)
        return ((maps[part], fold[part]) for part in (slice(0, cut), slice(cut, None)) if len(maps[part]))

    return passes, asked


def near(maps, quantile):
    return expected(maps, np.zeros(len(maps), np.int64), np.ones((1, 1), bool), quantile)[0]


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(VALUES)),
    st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([0.001, 0.005, 0.1, 0.5, 0.999]),
    st.sampled_from(["near", -65504.0, 0.0, 6e-8, 65504.0]),
    st.integers(0, 12),
    st.integers(0, 2**32 - 1),
)
def test_thresholds_of_parts_equal_numpys_wherever_one_looks(kind, sizes, quantile, around, cut, seed):
    rng = np.random.default_rng(seed)
    maps = (VALUES[kind](rng, sizes) * rng.choice([1e-4, 1, 1e3], sizes[1])[:, None, None] + 0).astype(np.float16) + 0
    fold = rng.integers(0, rng.choice([1, 3, 8]), sizes[0])
    look = near(maps, quantile) if around == "near" else np.full(sizes[1], around, np.float32)
    found = part_thresholds(in_cuts(maps, fold, cut)[0], look, PARTS, quantile)
    np.testing.assert_array_equal(found, expected(maps, fold, PARTS, quantile))
    assert found.dtype == np.float32


def drawn(units=70):
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, units, 3, 3)).astype(np.float16), np.arange(40) % 8


def test_one_pass_is_enough_where_all_thresholds_are_near():
    maps, fold = drawn()
    passes, asked = in_cuts(maps, fold, 7)
    found = part_thresholds(passes, near(maps, 0.05), PARTS[:10], 0.05)
    np.testing.assert_array_equal(found, expected(maps, fold, PARTS[:10], 0.05))
    assert len(asked) == 1


@pytest.mark.parametrize("parts", [PARTS, PARTS[-1:]], ids=["some", "all"])
def test_parts_without_values_cost_no_pass(parts):
    """With fewer groups of images than folds, some folds hold nothing."""
    maps, fold = drawn()
    passes, asked = in_cuts(maps, fold // 4 * 4, 7)
    found = part_thresholds(passes, near(maps, 0.05), parts, 0.05)
    np.testing.assert_array_equal(found, expected(maps, fold // 4 * 4, parts, 0.05))
    assert len(asked) == 1


def test_only_units_whose_thresholds_are_far_are_counted_again():
    maps, fold = drawn()
    look = near(maps, 0.05)
    look[::2] = -60000
    passes, asked = in_cuts(maps, fold, 7)
    found = part_thresholds(passes, look, PARTS, 0.05)
    np.testing.assert_array_equal(found, expected(maps, fold, PARTS, 0.05))
    assert len(asked) == 1 + -(-35 // fold_quantiles._FAR)


def test_no_images_have_no_threshold():
    found = part_thresholds(lambda: iter(()), np.zeros(3, np.float32), PARTS, 0.05)
    assert found.shape == (12, 3)
    assert np.isinf(found).all()
