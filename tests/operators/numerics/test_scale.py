"""The factor of activations, and what float16 loses of them, counted by hand."""

import numpy as np
import pytest

from filterscope.operators.numerics.scale import lost, peak, scale_for, written


@pytest.mark.parametrize(
    ("peaks", "scale"),
    [
        ([], 1.0), ([0.0, float("inf"), float("nan")], 1.0), ([2.0**-6, 2.0**10], 1.0), ([0.0, 3.0], 1.0),
        ([2.0**-30], 2.0**32), ([2.0**20], 2.0**-18), ([2.0**-30, 1.0], 2.0**12), ([2.0**-7], 2.0**9),
        ([2.0**-149], 2.0**125), ([2.0**127], 2.0**-112), ([2.0**-30, 2.0**-20], 2.0**27),
    ],
)  # fmt: skip
def test_a_scale_centres_the_layers_and_leaves_room_above(peaks, scale):
    assert scale_for(peaks) == scale


@pytest.mark.parametrize("exponent", [-112, -4, 0, 20, 125])
def test_a_scale_is_written_as_it_is_given(exponent):
    assert written(2.0**exponent) == f"2^{exponent}"


def test_the_peak_is_the_largest_finite_magnitude():
    assert peak(np.array([[1.0, -3.0], [np.inf, np.nan]], np.float32)) == 3.0
    assert peak(np.array([np.nan], np.float32)) == 0.0


def test_what_float16_loses_is_counted_where_most_live_units_are_below_its_range():
    maps = np.zeros((2, 4, 1, 2), np.float32)
    maps[0, 0, 0] = 2.0**-25, -(2.0**-26)  # the first is half of the smallest number, and becomes 0 as the second does
    maps[1, 1, 0] = 2.0**-20, -(2.0**-15)
    maps[0, 2, 0] = 2.0**-14, 2.0**-24
    assert lost(maps) == (6, 2, 3)
    assert np.count_nonzero(maps.astype(np.float16)) == 6 - 2
    maps[1, 1, 0, 0] = 1.0  # half of the live units are left, which is not most
    maps[1, 2, 0, 0] = 1.0
    assert lost(maps) is None
    assert lost(np.zeros((1, 3, 2, 2), np.float32)) is None
