"""Activations are given back as they were written, to us and to any reader of Zarr."""

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.promises import DamagedError


@pytest.fixture
def store(tmp_path) -> tuple[ActivationStore, NDArray]:
    """130 views in blocks of 64, the last one short, and 10 units in blocks of 4."""
    maps = np.random.default_rng(0).standard_normal((130, 10, 3, 5)).clip(0).astype(np.float16)
    store = ActivationStore(tmp_path, "model", "layer")
    store.create(130, 10, 3, 5, image_block=64, unit_block=4)
    for start in range(0, 130, 64):
        part = maps[start : start + 64]
        store.write(start, part, part.max(axis=(2, 3)))
    return store, maps


@pytest.mark.parametrize("views", [(0, 64), (64, 128), (128, 130), (10, 20), (0, 130)])
@pytest.mark.parametrize(
    "units", [slice(0, 4), slice(4, 8), slice(8, 10), slice(0, 10), slice(3, 5), slice(8, 12), slice(3, 64)]
)
def test_maps_are_read_by_view_and_unit(store, views, units):
    found = store[0].read(*views, units)
    np.testing.assert_array_equal(found, store[1][slice(*views), units])
    assert found.dtype == np.float16


def test_a_block_of_units_that_is_larger_than_the_layer_is_read_as_far_as_that_goes(tmp_path):
    store = ActivationStore(tmp_path, "model", "layer")
    store.create(64, 10, 2, 2, image_block=64, unit_block=64)
    maps = np.random.default_rng(0).standard_normal((64, 10, 2, 2)).astype(np.float16)
    store.write(0, maps, maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(store.read(0, 64, slice(0, 64)), maps)


def test_any_reader_of_zarr_reads_the_store(store):
    array = zarr.open_array(str(store[0].run / "activations.zarr" / "model" / "layer"), mode="r")
    np.testing.assert_array_equal(array[:130], store[1])


def test_a_chunk_of_zeros_reads_as_zeros_and_a_block_that_was_not_written_is_missed(tmp_path):
    store = ActivationStore(tmp_path, "model", "layer")
    store.create(128, 8, 2, 2, image_block=64, unit_block=4)
    maps = np.zeros((64, 8, 2, 2), np.float16)
    maps[:, 4:] = 1
    store.write(0, maps, maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(store.read(0, 64, slice(0, 4)), maps[:, :4])
    np.testing.assert_array_equal(store.read(0, 64, slice(4, 8)), maps[:, 4:])
    with pytest.raises(
        DamagedError, match=r"an output of extract/model/layer/images-000064, is missing; `filterscope doc"
    ):
        store.read(64, 128, slice(0, 4))


def test_a_damaged_shard_is_noticed(store):
    shard = next((store[0].run / "activations.zarr").rglob("c/0/0/0/0"))
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(OSError, match="damaged"):
        store[0].read(0, 64, slice(0, 4))


def test_a_store_reads_the_same_wherever_it_lies(place):
    """Written block by block, one of them twice; of the rest there are no maps, and NaN for maxima."""
    maps = np.random.default_rng(1).standard_normal((64, 6, 3, 3)).astype(np.float16)
    store = ActivationStore(place, "model", "layer")
    for _ in range(2):
        store.create(100, 6, 3, 3, image_block=64, unit_block=4)
        store.write(0, maps, maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(store.read(0, 64, slice(4, 6)), maps[:, 4:])
    np.testing.assert_array_equal(store.read(10, 64, slice(3, 6)), maps[10:, 3:])
    np.testing.assert_array_equal(store.read_maxima(0, 64, slice(2, 6)), maps.max(axis=(2, 3))[:, 2:])
    assert np.isnan(store.read_maxima(64, 100, slice(0, 6))).all()
    store.remove_activations()
    assert store.removed
    with pytest.raises(DamagedError, match="missing"):
        store.read(0, 64, slice(0, 4))
    np.testing.assert_array_equal(store.read_maxima(0, 64, slice(0, 6)), maps.max(axis=(2, 3)))
    store.readmit()
    assert not store.removed
