"""Areas under curves of deletion and insertion, of the order in which pixels go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.attribution.curves import STEPS, area_under, changed_pixels, ranks

SMALL = hnp.arrays(np.float32, (4, 5), elements=st.sampled_from([0.0, -0.0, 1.0, 2.0]))


@given(SMALL)
def test_ranks_are_places_in_the_order_of_values_and_then_of_pixels(values):
    expected = sorted(range(values.size), key=lambda pixel: (-values.ravel()[pixel], pixel))
    np.testing.assert_array_equal(ranks(values).ravel()[expected], np.arange(values.size))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_area_is_that_of_numpy(probability):
    expected = np.trapezoid(probability, np.linspace(0, 1, len(probability)))
    assert area_under(np.array(probability)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("pixels", [1, 55, 56, 1000, 224 * 224])
def test_all_pixels_change_in_even_steps(pixels):
    changed = changed_pixels(pixels)
    assert changed[0] == 0
    assert changed[-1] == pixels
    assert len(changed) == STEPS + 1
    assert np.ptp(np.diff(changed)) <= 1
