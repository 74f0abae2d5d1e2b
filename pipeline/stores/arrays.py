"""Arrays in files: several of them as npz, or one as npy; nothing that is read can hold code."""

import io
import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np

from filterscope.pipeline.stores.places import Place, digest_of, open_writing, readable

#: A file, or its bytes.
Source = Place | bytes | mmap.mmap
#: Bytes that the header of an array fits into.
_HEADER = 4096


def write_arrays(path: Place, arrays: Mapping[str, Any], *, compressed: bool = True) -> str:
    """Write arrays of any shape and type under their names, all at once or not at all; return the file's SHA-256."""
    with open_writing(path) as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        return digest_of(file)


def read_arrays(source: Source, *names: str) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote: all arrays, or those of the given names.

    Parameters
    ----------
    source : Place or bytes
        The file, or its bytes as `promises.Promise.read` returns them.
    names : str
        The arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If it holds no array of a name.
    ValueError
        If an array holds Python objects.
    """
    file = io.BytesIO(source) if isinstance(source, bytes | mmap.mmap) else readable(source)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in names or stored.files}


def write_array(path: Place, array: np.ndarray) -> str:
    """Write one array, whole or not at all; return the file's SHA-256."""
    with open_writing(path) as file:
        np.save(file, array, allow_pickle=False)
        return digest_of(file)


def map_array(data: bytes | mmap.mmap) -> np.ndarray:
    """Return what `write_array` wrote as an array over the bytes of the file: mapped into memory where these are."""
    header = io.BytesIO(data[:_HEADER])
    np.lib.format.read_magic(header)
    shape, _, dtype = np.lib.format.read_array_header_1_0(header)
    return np.frombuffer(data, dtype, offset=header.tell()).reshape(shape)


__all__ = ["map_array", "read_arrays", "write_array", "write_arrays"]
