"""Projected channel vectors equal their twin whatever the blocks, and keep distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.patterns.local_features import DIMENSIONS, add_channels, normalised, signs
from tests import naive


@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 32, 33, 100]), st.data())
def test_features_equal_the_twin_whatever_the_blocks_of_channels(seed, channels, data):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, channels, 2, 3)).astype(np.float16) * (rng.random((2, channels, 2, 3)) < 0.5)
    maps[1, :, 0, 0] = 0
    matrix = signs(channels, seed)
    results = []
    for cuts in ([], sorted(data.draw(st.lists(st.integers(0, channels), max_size=3)))):
        sums, squares = np.zeros((2, 6, DIMENSIONS), np.float32), np.zeros((2, 6), np.float32)
        for first, last in zip([0, *cuts], [*cuts, channels], strict=True):
            add_channels(sums, squares, maps[:, first:last], matrix[first:last])
        results.append(normalised(sums, squares))
    assert results[0].tobytes() == results[1].tobytes()
    np.testing.assert_allclose(results[0].astype(float), naive.patterns.projected(maps, matrix), atol=2e-3)


def test_the_projection_keeps_distances_to_a_quarter_or_so():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 512))
    one, other = np.triu_indices(40, 1)
    true = ((vectors[one] - vectors[other]) ** 2).sum(axis=1)
    seen = (((vectors @ signs(512, 7))[one] - (vectors @ signs(512, 7))[other]) ** 2).sum(axis=1)
    assert np.std(seen / true) < 0.35
    assert np.mean(seen / true) == pytest.approx(1, abs=0.1)
    assert set(np.abs(signs(512, 7)).ravel().tolist()) == {float(np.float32(1) / np.sqrt(np.float32(DIMENSIONS)))}
