"""Arrays come back as they were written, in the bytes that numpy writes."""

import hashlib
import io
import mmap

import numpy as np
import pytest

from filterscope.pipeline.stores.arrays import map_array, read_arrays, write_array, write_arrays
from filterscope.pipeline.stores.places import is_local, listing, read_mapped, write_atomically

ARRAYS = {
    "second": np.arange(600, dtype=np.int16).reshape(2, 300),
    "first": np.linspace(0, 1, 7, dtype=np.float32),
    "none": np.zeros((0, 3), bool),
    "one": np.array(5),
}


@pytest.mark.parametrize("compressed", [True, False])
def test_named_arrays_are_the_file_that_numpy_writes(place, compressed):
    expected = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(expected, **ARRAYS)
    digest = write_arrays(place / "arrays.npz", ARRAYS, compressed=compressed)
    assert (place / "arrays.npz").read_bytes() == expected.getvalue()
    assert digest == hashlib.sha256(expected.getvalue()).hexdigest()
    assert listing(place) == {"arrays.npz"}
    found = read_arrays(place / "arrays.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert list(read_arrays(place / "arrays.npz", "first")) == ["first"]


def test_one_array_is_the_file_that_numpy_writes_and_is_mapped_where_it_can_be(place):
    expected, array = io.BytesIO(), np.arange(12, dtype=np.float16).reshape(3, 4)
    np.save(expected, array)
    assert write_array(place / "array.npy", array) == hashlib.sha256(expected.getvalue()).hexdigest()
    assert (place / "array.npy").read_bytes() == expected.getvalue()
    found = map_array(read_mapped(place / "array.npy"))
    np.testing.assert_array_equal(found, array)
    if is_local(place):
        assert isinstance(found.base.base.obj, mmap.mmap)


def test_code_in_a_file_is_not_run(place):
    sink = io.BytesIO()
    np.savez(sink, array=np.array([{}], dtype=object))
    write_atomically(place / "arrays.npz", sink.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(place / "arrays.npz")


def test_arrays_that_are_missing_are_said_to_be(place):
    with pytest.raises(FileNotFoundError, match=r"arrays\.npz"):
        read_arrays(place / "arrays.npz")
    write_arrays(place / "arrays.npz", {"one": ARRAYS["one"]})
    with pytest.raises(KeyError, match="two"):
        read_arrays(place / "arrays.npz", "two")
