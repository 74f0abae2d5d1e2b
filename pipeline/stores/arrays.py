"""Arrays in files: several of them as npz, or one as npy; nothing that is read can hold code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.stores.places import Place, digest_of, open_writing, readable


def write_arrays(path: Place, arrays: Mapping[str, Any], *, compressed: bool = True) -> str:
    """Write arrays of any shape and type under their names, all at once or not at all; return the file's SHA-256."""
    with open_writing(path) as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        return digest_of(file)


def read_arrays(path: Place, *names: str) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote: all arrays, or those of the given names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If it holds no array of a name.
    ValueError
        If an array holds Python objects.
    """
    with np.load(readable(path), allow_pickle=False) as stored:
        return {name: stored[name] for name in names or stored.files}


def write_array(path: Place, array: np.ndarray) -> str:
    """Write one array, whole or not at all; return the file's SHA-256."""
    with open_writing(path) as file:
        np.save(file, array, allow_pickle=False)
        return digest_of(file)


def map_array(path: Place) -> np.ndarray:
    """Open what `write_array` wrote, read-only: mapped into memory on this machine, read from an object store."""
    file = readable(path)
    array: np.ndarray = np.load(file, mmap_mode="r" if isinstance(file, Path) else None, allow_pickle=False)
    return array


__all__ = ["map_array", "read_arrays", "write_array", "write_arrays"]
