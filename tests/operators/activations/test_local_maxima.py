"""Peaks of maps equal their twin whatever the blocks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.activations.local_maxima import LocalMaxima
from tests import naive


def tied_maps(seed, views, units=2, side=4):
    """Small whole numbers: plateaus, ties between maps, constant maps, values at the threshold, negative ones."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(-2, 4, (views, units, side, side)).astype(np.float16)
    maps[rng.random((views, units)) < 0.2] = 3.0
    return maps + 0


def peaks_of(maps, thresholds, blocks, keep):
    peaks = LocalMaxima.empty(maps.shape[1])
    for views in blocks:
        maxima = maps[views].max(axis=(2, 3)).astype(np.float32)
        peaks = peaks.merge(LocalMaxima.of(maps[views], maxima, thresholds, views), keep)
    return peaks


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.sampled_from([-1.0, 0.0, 2.0]))
def test_peaks_equal_the_twin_whatever_the_blocks(seed, views, keep, threshold):
    maps, order = tied_maps(seed, views), np.random.default_rng(seed).permutation(views)
    thresholds = np.array([threshold, 1.0], np.float32)
    whole = peaks_of(maps, thresholds, [np.arange(views)], keep)
    blocks = np.array_split(order, 3)
    cut = peaks_of(maps, thresholds, blocks, keep)
    for name in vars(whole):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    for unit in range(2):
        expected = naive.activations.local_maxima(maps[:, unit], thresholds[unit])
        mine = whole.unit == unit
        found = zip(whole.view[mine].tolist(), whole.position[mine].tolist(), whole.value[mine].tolist(), strict=True)
        assert list(found) == expected[:keep]
        assert whole.count[unit] == len(expected)


def test_maps_of_one_position_have_no_peaks():
    maps = np.arange(6, dtype=np.float16).reshape(6, 1, 1, 1)
    assert peaks_of(maps, np.zeros(1, np.float32), [np.arange(6)], 5).count.tolist() == [0]
