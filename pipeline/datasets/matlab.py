"""MATLAB files as plain values: version 5 to 7 by scipy, version 7.3 (HDF5) by h5py. Nothing in a file is ever executed."""

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.datasets.reading import BadRowError

#: Bytes of a file's values when decompressed; one of VOC has a few million.
_LARGEST = 1 << 28
#: What a value counts at least, so that references to one place cannot multiply it without end.
_SMALLEST = 256
_DEEPEST = 16
_HEADER, _COMPRESSED, _MATRIX = 128, 15, 14
_CELL, _STRUCT, _SPARSE = 1, 2, 5
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Filters of HDF5 that MATLAB uses: deflate, shuffle, checksum. Others would be looked for among plugins and loaded.
_FILTERS = {1, 2, 3}


def read_variable(path: Path, name: str, fields: Collection[str] = ()) -> Any:
    """Read a variable of a MATLAB file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name of the variable.
    fields : collection of str
        Fields of structs to keep, at any depth; by default all. Version 7.3 reads no others, which may be images.

    Returns
    -------
    list, str or ndarray
        A struct or struct array is a list of dicts, a cell array a list of values, characters are a str, numbers an array
        of MATLAB's own shape.

    Raises
    ------
    BadRowError
        If the file cannot be read, has no such variable, or is too large when decompressed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512 + len(_HDF5))
        if start.startswith(_HDF5) or start.endswith(_HDF5):
            return _read_hdf5(path, name, fields)
        _refuse_bomb(path, name)
        from scipy.io import loadmat

        return _plain(loadmat(path, variable_names=[name])[name], fields)
    except BadRowError:
        raise
    except KeyError as error:
        raise BadRowError(f"it has no variable or field {error}") from error
    except Exception as error:  # scipy and h5py raise almost anything on a damaged file
        raise BadRowError(f"not a sound MATLAB file: {type(error).__name__}: {error}") from error


def structs(value: Any) -> list[dict[str, Any]]:
    """Return the elements of a struct array; [] has none. BadRowError for any other value."""
    if isinstance(value, np.ndarray) and value.size == 0:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRowError(f"{type(value).__name__} instead of a struct")
    return value


def text(value: Any) -> str:
    """Return characters; BadRowError for any other value or more than 200 of them."""
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        what = f"{len(value)} characters" if isinstance(value, str) else f"{type(value).__name__} instead of text"
        raise BadRowError(f"a name of {what}")
    return value


def _plain(value: Any, fields: Collection[str]) -> Any:
    """Return what scipy read as plain values."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        kept = [name for name in value.dtype.names if not fields or name in fields]
        return [{name: _plain(row[name], fields) for name in kept} for row in value.ravel(order="F")]
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return "".join(value.ravel())
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_plain(item, fields) for item in value.ravel(order="F")]
    return np.asarray(value)


def _refuse_bomb(path: Path, name: str) -> None:
    """Raise BadRowError for a file that grows beyond any annotation when it is read, or says that it does.

    scipy makes room for as many elements as a cell or struct array says it has, and follows it to any depth.
    """
    total = 0
    with path.open("rb") as data:
        header = data.read(_HEADER)
        order = ">" if header.endswith(b"MI") else "<"
        while len(tag := data.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != _COMPRESSED:
                _Elements(tag + data.read(size), order).check(name)
                continue
            stream, packed, parts = zlib.decompressobj(), data.read(size), list[bytes]()
            while packed and not stream.eof and total <= _LARGEST:
                parts.append(stream.decompress(packed, 1 << 20))
                total += len(parts[-1])
                packed = stream.unconsumed_tail
            if total > _LARGEST:
                raise BadRowError(f"it is more than {_LARGEST} bytes when decompressed")
            _Elements(b"".join(parts), order).check(name)


class _Elements:
    """The elements of a variable of version 5, walked as scipy reads them, without room for what they say they hold."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data, self._order = data, order

    def check(self, name: str) -> None:
        """Raise BadRowError if the variable has this name and holds more elements than its bytes can, or nests too deeply."""
        kind, start, size, _ = self._element(0)
        if kind == _MATRIX and size and self._name(start) == name:
            self._matrix(0, 0)

    def _element(self, at: int) -> tuple[int, int, int, int]:
        """Return type, first byte and size of an element, and where the next one begins."""
        if at + 8 > len(self._data):
            raise BadRowError("not a sound MATLAB file: it ends within a variable")
        kind, size = struct.unpack_from(f"{self._order}II", self._data, at)
        if kind >> 16:  # up to four bytes stand in the tag itself
            return kind & 0xFFFF, at + 4, kind >> 16, at + 8
        return kind, at + 8, size, at + 8 + -(-size // 8) * 8

    def _name(self, start: int) -> str:
        _, first, size, _ = self._element(self._element(start + 16)[3])
        return self._data[first : first + size].decode("latin-1")

    def _matrix(self, at: int, depth: int) -> int:
        """Walk an array and return where the next element begins."""
        if depth > _DEEPEST:
            raise BadRowError(f"its cells and structs are nested more than {_DEEPEST} deep")
        kind, start, size, after = self._element(at)
        if kind != _MATRIX:
            raise BadRowError(f"not a sound MATLAB file: an element of type {kind} in place of an array")
        if not size:
            return after
        flags = struct.unpack_from(f"{self._order}I", self._data, start + 8)[0]
        _, first, bytes_of, at = self._element(start + 16)
        sides = np.frombuffer(self._data, f"{self._order}i4", max(min(bytes_of, 128) // 4, 0), first).tolist()
        at = self._element(at)[3]
        if flags & 0xFF not in (_CELL, _STRUCT):
            parts = (3 if flags & 0xFF == _SPARSE else 1) + (flags >> 11 & 1)
            for _ in range(parts):
                at = self._element(at)[3]
            return at
        fields = 1
        if flags & 0xFF == _STRUCT:
            width, (_, _, names, at) = self._element(at), self._element(self._element(at)[3])
            length = struct.unpack_from(f"{self._order}i", self._data, width[1])[0]
            fields = names // length if length > 0 else 0
        if min(sides, default=0) < 0 or math.prod(sides) * max(fields, 1) > (len(self._data) - start) // 8:
            raise BadRowError(f"a cell or struct array of {' x '.join(map(str, sides))} in {len(self._data)} bytes")
        for _ in range(math.prod(sides) * fields):
            at = self._matrix(at, depth + 1)
        return at


def _read_hdf5(path: Path, name: str, fields: Collection[str]) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        return _Hdf5(file, fields).read(_member(file, name), 0)


def _member(group: Any, name: str) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(name)
    if not isinstance(link, h5py.HardLink):
        raise BadRowError(f"{name!r} is a link to another place")
    return group[name]


class _Hdf5:
    """Values of a file; reading stops when they are too many."""

    def __init__(self, file: Any, fields: Collection[str]) -> None:
        self._file, self._fields, self._left = file, fields, _LARGEST

    def read(self, node: Any, depth: int) -> Any:
        import h5py

        if depth > _DEEPEST:
            raise BadRowError(f"its structs are nested more than {_DEEPEST} deep")
        self._count(0)
        if isinstance(node, h5py.Group):
            names = [name for name in node if not self._fields or name in self._fields]
            return self._read_struct({name: _member(node, name) for name in names}, depth)
        return self._read_dataset(node, depth)

    def _read_struct(self, fields: dict[str, Any], depth: int) -> list[dict[str, Any]]:
        columns = {name: field for name, field in fields.items() if self._is_column(field)}
        if not columns:
            return [{name: self.read(field, depth + 1) for name, field in fields.items()}]
        if len(columns) < len(fields) or len({field.size for field in columns.values()}) > 1:
            raise BadRowError("the fields of a struct array differ in length")
        values = {name: self._follow(field, depth) for name, field in columns.items()}
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

    @staticmethod
    def _is_column(node: Any) -> bool:
        """Return whether a field of a struct holds one reference for each element of a struct array."""
        import h5py

        return isinstance(node, h5py.Dataset) and node.dtype == h5py.ref_dtype and "MATLAB_class" not in node.attrs

    def _follow(self, node: Any, depth: int) -> list[Any]:
        return [self.read(self._file[reference], depth + 1) for reference in self._numbers(node).ravel()]

    def _read_dataset(self, node: Any, depth: int) -> Any:
        import h5py

        kind = bytes(node.attrs.get("MATLAB_class", b""))
        if node.attrs.get("MATLAB_empty", 0):
            return "" if kind == b"char" else np.zeros((0, 0))
        if node.dtype == h5py.ref_dtype:
            return self._follow(node, depth)
        if node.dtype.kind not in "buif":
            raise BadRowError(f"values of type {node.dtype}")
        values = self._numbers(node)
        if kind == b"char" or (not kind and values.dtype == np.uint16):
            return values.astype("<u2").tobytes().decode("utf-16-le", "replace")
        return values.T

    def _numbers(self, node: Any) -> np.ndarray:
        self._count(node.size * node.dtype.itemsize)
        made = node.id.get_create_plist()
        filters = {made.get_filter(place)[0] for place in range(made.get_nfilters())}
        if node.external or node.is_virtual or filters - _FILTERS:
            raise BadRowError("its values lie in another file or are packed in a way that MATLAB does not use")
        return np.asarray(node[()])

    def _count(self, size: int) -> None:
        self._left -= max(size, _SMALLEST)
        if self._left < 0:
            raise BadRowError(f"it is more than {_LARGEST} bytes when decompressed")


__all__ = ["read_variable", "structs", "text"]
