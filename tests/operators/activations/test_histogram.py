"""Coarse histograms against counting value by value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.activations.histogram import binned
from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram, moments
from tests import naive

MAPS = arrays(
    np.float16,
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
    elements=st.floats(-8, 8, width=16).map(lambda value: value + 0.0),
)


@given(MAPS, st.integers(1, 7))
def test_bins_hold_what_counting_finds(maps, bins):
    counts = empty_histogram(maps.shape[1])
    add_to_histogram(counts, maps)
    found = moments(counts)
    rows = binned(counts, found.minimum, found.maximum, bins)
    for unit in range(maps.shape[1]):
        assert rows[unit].tolist() == naive.activations.binned(maps[:, unit].ravel().tolist(), bins)


def test_a_constant_unit_is_in_the_first_bin():
    counts = empty_histogram(1)
    add_to_histogram(counts, np.full((2, 1, 3, 3), 1.5, np.float16))
    assert binned(counts, np.array([1.5]), np.array([1.5]), 4).tolist() == [[18, 0, 0, 0]]
