"""Upsampling equals the field's own, to rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.anchoring import receptive_field_axis, resize_axis, upsample
from tests import naive

SIZES = [(1, 1), (1, 5), (2, 2), (3, 7), (7, 7), (14, 14), (56, 56), (150, 120)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [1, 9, 112])
def test_resize_equals_torch(shape, size):
    raw = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float16)
    ours = upsample(raw, resize_axis(shape[0], size), resize_axis(shape[1], size))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(raw)[None].double(), size=(size, size), mode="bilinear", align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    threshold = np.float64(np.quantile(raw.astype(np.float64), 0.9))
    clear = np.abs(theirs - threshold) > 1e-12  # where torch's own rounding cannot decide
    np.testing.assert_array_equal((ours > threshold)[clear], (theirs > threshold)[clear])
    assert clear.mean() > 0.98


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_resize_equals_its_twin(height, width, size, seed):
    raw = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float16)
    ours = upsample(raw, resize_axis(height, size), resize_axis(width, size))
    np.testing.assert_array_equal(ours, naive.dissection.upsample(raw, size, size))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_blend_stays_between_its_corners(height, width, size, seed):
    raw = np.random.default_rng(seed).choice(np.array([-3, 0, 0.1, 6], np.float16), (height, width))
    up = upsample(raw, resize_axis(height, size), resize_axis(width, size))
    assert up.max() <= raw.max()
    assert up.min() >= raw.min()


def test_receptive_field_axis_puts_each_position_on_its_centre():
    # 4 positions at input pixels 3.5, 11.5, 19.5, 27.5 of 32; mask pixel r lies at 2 r + 0.5
    axis = receptive_field_axis(4, 16, extent=32, centre=3.5, stride=8.0)
    place = axis.lower + axis.weight
    np.testing.assert_allclose(place[:3], [0, 0, 0.125])
    np.testing.assert_allclose(place[5], (10.5 - 3.5) / 8)
    np.testing.assert_allclose(place[-2:], [3, 3])


def test_receptive_field_axis_equals_resize_where_fields_tile_the_input():
    tiled = receptive_field_axis(7, 112, extent=224, centre=15.5, stride=32.0)
    plain = resize_axis(7, 112)
    np.testing.assert_allclose(tiled.lower + tiled.weight, plain.lower + plain.weight)
