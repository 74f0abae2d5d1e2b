"""Gradients keep their digits however small they are, and are given back by view and unit."""

from functools import partial

import numpy as np
import pytest
import zarr

from filterscope.pipeline.stores.gradients import GradientStore, scaled, unscaled
from filterscope.pipeline.stores.promises import DamagedError


def drawn(views=10, sizes=(1e-30, 1e-12, 1e-5, 1, 1e20)):
    """Draw gradients of views that differ in size by orders of magnitude."""
    rng = np.random.default_rng(0)
    found = rng.standard_normal((views, 6, 3, 4)) * np.resize(sizes, views)[:, None, None, None]
    return found.astype(np.float32)


def test_a_scale_is_a_power_of_two_that_brings_a_view_into_the_upper_half_of_float16():
    gradients = drawn()
    maps, scales = scaled(gradients)
    assert (maps.dtype, scales.dtype) == (np.float16, np.float32)
    assert (np.frexp(scales)[0] == 0.5).all()
    largest = np.abs(gradients.astype(np.float64)).max(axis=(1, 2, 3)) * scales
    assert ((largest >= 2**14) & (largest < 2**15)).all()


def test_what_is_lost_is_the_rounding_of_float16():
    gradients = drawn()
    found = unscaled(*scaled(gradients))
    largest = np.abs(gradients).max(axis=(1, 2, 3), keepdims=True)
    assert found.dtype == np.float32
    assert (np.abs(found - gradients) <= np.maximum(np.abs(gradients) * 2.0**-11, largest * 2.0**-39)).all()


@pytest.mark.parametrize("size", [1e-12, 1e-20, 1.2345e-33])
def test_tiny_gradients_keep_three_digits(size):
    gradients = np.full((1, 2, 2, 2), size, np.float32)
    gradients[0, 0, 0, 0] = -3.21e-3 * np.float32(size)
    np.testing.assert_allclose(unscaled(*scaled(gradients)), gradients, rtol=5e-4)


@pytest.mark.parametrize("exponent", [-149, -126, -112, 0, 14, 15, 127])
def test_powers_of_two_come_back_as_they_were(exponent):
    gradients = np.zeros((1, 1, 1, 2), np.float32)
    gradients[..., 0] = np.ldexp(np.float32(1), exponent)
    maps, scales = scaled(gradients)
    assert np.isfinite(maps).all()
    assert 0 < scales[0] <= 2.0**127
    assert np.array_equal(unscaled(maps, scales), gradients)


def test_zero_gradients_have_scale_zero_and_views_without_any_are_nan():
    maps, scales = scaled(np.zeros((2, 1, 2, 2), np.float32))
    assert scales.tolist() == [0, 0]
    assert not unscaled(maps, scales).any()
    assert np.isnan(unscaled(maps, np.array([np.nan, 0], np.float32))).any(axis=(1, 2, 3)).tolist() == [True, False]


def test_a_store_reads_the_same_wherever_it_lies(place):
    """Written block by block, one of them twice; of the rest there is none."""
    gradients = drawn(64)
    store = GradientStore(place, "model", "layer")
    for _ in range(2):
        store.create(100, 6, 3, 4, image_block=64, unit_block=4)
        digests = store.write(0, *scaled(gradients))
    expected = unscaled(*scaled(gradients))
    assert np.array_equal(store.read(0, 64, slice(4, 6)), expected[:, 4:])
    assert np.array_equal(store.read(10, 64, slice(3, 6)), expected[10:, 3:])
    for read in (partial(store.read, units=slice(3, 6)), store.read_scales):
        with pytest.raises(DamagedError, match=r"gradients/model/layer/images-000064, is missing"):
            read(60, 70)
    assert store.files(0).keys() == {"maps", "scales"}
    assert digests.keys() == {"maps", "chunks", "scales"}
    assert len(set(digests.values())) == 3


def test_any_reader_of_zarr_reads_the_store(tmp_path):
    store, gradients = GradientStore(tmp_path, "model", "layer"), drawn(70)
    store.create(70, 6, 3, 4, image_block=64, unit_block=4)
    for start in (0, 64):
        store.write(start, *scaled(gradients[start : start + 64]))
    maps, scales = (
        zarr.open_array(str(tmp_path / f"{name}.zarr" / "model" / "layer"), mode="r")[:70]
        for name in ("gradients", "gradient_scales")
    )
    assert np.array_equal(maps, scaled(gradients)[0])
    assert np.array_equal(scales, scaled(gradients)[1])


def test_other_blocks_take_the_place_of_those_before(tmp_path):
    store = GradientStore(tmp_path, "model", "layer")
    store.create(10, 6, 3, 4, image_block=8, unit_block=4)
    store.write(0, *scaled(drawn(8)))
    other = GradientStore(tmp_path, "model", "layer")
    other.create(10, 6, 3, 4, image_block=4, unit_block=4)
    with pytest.raises(DamagedError, match="missing"):
        other.read_scales(0, 10)
