"""MATLAB files of either kind with the same content: of version 5 by scipy, of version 7.3 as MATLAB lays HDF5 out.

Content is plain: a dict is a struct, a list of dicts a struct array, a str characters, None is []; the rest is numbers.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from tests.planted.structs import structs


def save_v5(path: Path, content: dict[str, Any], *, packed: bool = True) -> None:
    """Write variables as MATLAB does up to version 7."""
    savemat(path, {name: _version_5(value) for name, value in content.items()}, do_compression=packed)


def _version_5(value: Any) -> Any:
    if isinstance(value, list):
        return structs([{name: _version_5(item) for name, item in row.items()} for row in value])
    if isinstance(value, dict):
        return structs([{name: _version_5(item) for name, item in value.items()}])
    return np.zeros((0, 0)) if value is None else value


def save_v73(path: Path, content: dict[str, Any]) -> None:
    """Write variables as MATLAB does with -v7.3: columns first, characters as uint16, elements of arrays behind references."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            _put(file, file, name, value)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


def _put(file: Any, group: Any, name: str, value: Any) -> None:
    if isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, item in value.items():
            _put(file, inner, field, item)
    elif isinstance(value, list):
        _put_array(file, group, name, value)
    elif value is None:
        _numbers(group, name, np.array([0, 0], np.uint64), "double").attrs["MATLAB_empty"] = np.uint8(1)
    elif isinstance(value, str):
        codes = np.array([ord(letter) for letter in value], np.uint16)[:, None]
        _numbers(group, name, codes, "char").attrs["MATLAB_int_decode"] = np.int32(2)
    else:
        _numbers(group, name, np.atleast_2d(np.asarray(value)).T, "double")


def _put_array(file: Any, group: Any, name: str, rows: list[dict[str, Any]]) -> None:
    import h5py

    inner = group.create_group(name)
    inner.attrs["MATLAB_class"] = np.bytes_("struct")
    store = file.require_group("#refs#")
    for field in rows[0]:
        pointers = np.empty((len(rows), 1), h5py.ref_dtype)
        for place, row in enumerate(rows):
            key = f"r{len(store)}"
            _put(file, store, key, row[field])
            pointers[place, 0] = store[key].ref
        inner.create_dataset(field, data=pointers, dtype=h5py.ref_dtype)


def _numbers(group: Any, name: str, values: np.ndarray, kind: str) -> Any:
    packed = {"compression": "gzip", "chunks": True} if values.size > 64 else {}
    made = group.create_dataset(name, data=values, **packed)
    made.attrs["MATLAB_class"] = np.bytes_(kind)
    return made
