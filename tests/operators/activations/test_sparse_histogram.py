"""A sparse histogram holds what the dense one holds, whatever the blocks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram
from filterscope.operators.activations.sparse_histogram import SparseHistogram
from filterscope.operators.numerics.half import settle


@given(st.lists(st.integers(0, 5), max_size=4), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_sparse_histogram_equals_the_dense_one(images, units, side, seed):
    rng = np.random.default_rng(seed)
    sparse, dense = SparseHistogram.empty(units), empty_histogram(units)
    for count in images:
        maps = rng.choice([-1.0, 0.0, 0.5, rng.standard_normal()], (count, units, side, side)).astype(np.float16)
        settle(maps)
        sparse = sparse.add(maps)
        add_to_histogram(dense, maps)
    found = empty_histogram(units)
    sparse.add_to(found, 0)
    np.testing.assert_array_equal(found, dense)
    assert (sparse.counts > 0).all()
    assert len(sparse.bins) == len(sparse.counts) == (dense > 0).sum()
    # every unit's own part, added to what is there already
    for unit in range(units):
        part = dense[unit : unit + 1].copy()
        sparse.add_to(part, unit)
        np.testing.assert_array_equal(part[0], 2 * dense[unit])
