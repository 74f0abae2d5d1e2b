"""Stores give back what was put in, whatever was there before."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operators.masks import mask_block, unpack
from pipeline.stores import ActivationStore, MaskStore, table_path, write_table
from schemas.results import TABLES


@pytest.fixture
def store(tmp_path):
    store = ActivationStore(tmp_path, "net", "features.18")
    store.create(10, 5, 3, 2, image_block=4, unit_block=2)
    return store


def maps(images, seed=0):
    return np.random.default_rng(seed).standard_normal((images, 5, 3, 2)).astype(np.float16)


def test_activations_are_written_by_image_and_read_by_unit(store):
    values = maps(10)
    for start in (8, 0, 4):
        block = values[start : start + 4]
        store.write(start, block, block.max(axis=(2, 3)))
    np.testing.assert_array_equal(store.read(0, 10, slice(1, 4)), values[:, 1:4])
    np.testing.assert_array_equal(store.read(3, 9, slice(4, 5)), values[3:9, 4:])
    np.testing.assert_array_equal(store.read_maxima(0, 10, slice(0, 5)), values.max(axis=(2, 3)))


def test_a_torn_shard_is_overwritten(store, tmp_path):
    block = maps(4)
    store.write(4, block, block.max(axis=(2, 3)))
    (shard,) = [p for p in (tmp_path / "activations.zarr").rglob("*") if p.is_file() and p.parent.name != "features.18"]
    shard.write_bytes(shard.read_bytes()[:50])
    store.write(4, block, block.max(axis=(2, 3)))
    np.testing.assert_array_equal(store.read(4, 8, slice(0, 5)), block)


def test_zeros_over_old_values_are_zeros(store):
    block = maps(4)
    store.write(0, block, block.max(axis=(2, 3)))
    store.write(0, np.zeros_like(block), np.zeros((4, 5), np.float16))
    assert not store.read(0, 4, slice(0, 5)).any()


def test_creating_again_keeps_what_is_there(store):
    block = maps(4)
    store.write(0, block, block.max(axis=(2, 3)))
    store.create(10, 5, 3, 2, image_block=4, unit_block=2)
    np.testing.assert_array_equal(store.read(0, 4, slice(0, 5)), block)


def test_masks_come_back(tmp_path):
    rng = np.random.default_rng(0)
    labels = [{0: rng.random((9, 70)) < 0.3, 2: None}, {}, {1: rng.random((9, 70)) < 0.5}]
    masks = mask_block(labels, 9, 70)
    store = MaskStore(tmp_path, "squash-9x70")
    store.write("images-000000", masks)
    found = store.read("images-000000")
    for name in ("first", "concept", "area", "bitmap", "band", "words"):
        np.testing.assert_array_equal(getattr(found, name), getattr(masks, name), err_msg=name)
    np.testing.assert_array_equal(unpack(found.words, 70), [labels[0][0], labels[2][1]])


def test_a_block_without_labels_comes_back(tmp_path):
    store = MaskStore(tmp_path, "squash-9")
    store.write("images-000000", mask_block([{}, {}], 9, 9))
    assert store.read("images-000000").first.tolist() == [0, 0, 0]


def test_a_table_part_appears_whole_or_not_at_all(tmp_path):
    schema = TABLES["rejects"]
    rows = pa.Table.from_pylist([{"stage": "import", "item": "a", "reason": "b"}], schema=schema)

    def failing():
        yield rows
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_table(tmp_path, "rejects", ("net", "layer", "units-000000"), failing())
    path = table_path(tmp_path, "rejects", ("net", "layer", "units-000000"))
    assert not path.exists()
    assert not list(path.parent.iterdir())
    count, digest = write_table(tmp_path, "rejects", ("net", "layer", "units-000000"), [rows])
    assert (count, pq.read_table(path).num_rows) == (1, 1)
    assert write_table(tmp_path, "rejects", ("net", "layer", "units-000000"), [rows]) == (1, digest)
