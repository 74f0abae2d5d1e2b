"""The tally draws activated pixels as defined when maps are anchored at the centres of receptive fields."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.anchoring import receptive_field_axis, upsample
from filterscope.operators.dissection.masks import mask_block
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.operators.numerics.half import settle

HALF = half_values()


@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.sampled_from([1, 7, 64, 70])),
    st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    st.sampled_from([1.0, 4.0, 16.0, 32.0]),
    st.integers(0, 2**32 - 1),
)
def test_activated_pixels_are_those_of_the_upsampled_map(extent, shape, centre, stride, seed):
    rng = np.random.default_rng(seed)
    maps = np.maximum(rng.standard_normal((3, 2, *extent)), 0).astype(np.float16)
    settle(maps)
    threshold = np.float32(rng.choice(maps.ravel(), 2))
    rows, columns = (
        receptive_field_axis(extent[axis], shape[axis], extent=64, centre=centre[axis], stride=stride)
        for axis in (0, 1)
    )
    half = [{0: np.arange(shape[1])[None] + np.arange(shape[0])[:, None] < sum(shape) / 2} for _ in maps]
    tally = Tally.empty(2, 1, 1, shape)
    maxima = maps.max(axis=(2, 3)).astype(np.float32)
    areas = add_to_tally(tally, maps, maxima, threshold, mask_block(half, *shape), np.array([0]), rows, columns, HALF)
    activated = upsample(maps, rows, columns) > threshold[:, None, None]
    np.testing.assert_array_equal(areas, activated.sum(axis=(2, 3)))
    np.testing.assert_array_equal(tally.coverage(), activated.sum(axis=0))
