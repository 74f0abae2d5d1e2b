"""Pixels looked up in run lengths are those of the mask that pycocotools draws."""

import numpy as np
import pycocotools.mask as rle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.images.run_lengths import count_runs, sample_runs

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))
)


@given(MASKS, st.integers(0, 2**32 - 1))
def test_pixels_are_those_of_the_mask(mask, seed):
    counts = rle.encode(np.asfortranarray(mask))["counts"]
    rng = np.random.default_rng(seed)
    rows, columns = (rng.integers(0, side, 9) for side in mask.shape)
    assert (sample_runs(counts, len(mask), rows, columns) == mask[np.ix_(rows, columns)]).all()
    whole = sample_runs(counts, len(mask), *(np.arange(side) for side in mask.shape))
    assert (whole == mask).all()
    assert count_runs(counts) == mask.sum()


@pytest.mark.parametrize("side", [300, 1200])
def test_long_runs_and_differences_of_many_chunks(side):
    mask = np.zeros((side, side + 7), np.uint8, order="F")
    mask[5 : side // 2, 3:-3] = 1
    mask[:, side // 2] = 1
    mask[::7, 1] = 1
    counts = rle.encode(mask)["counts"]
    assert (sample_runs(counts, side, np.arange(side), np.arange(side + 7)) == mask).all()


@given(st.binary(max_size=40))
def test_any_bytes_give_some_mask(counts):
    assert sample_runs(counts, 5, np.arange(5), np.arange(4)).shape == (5, 4)
