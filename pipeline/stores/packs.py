"""Images in shards: tar files of some 256 MB with an index, of which neighbours are read by one request.

An object store answers some thousand requests a second, whatever their size, and a file system of millions of small files is
slow to copy. A shard is a tar file, so that any program can unpack it; the index states where the bytes of each image begin.
"""

import hashlib
import io
import json
import re
import tarfile
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.stores.places import (
    Place,
    StoreError,
    open_ranges,
    open_writing,
    read_regular,
    write_atomically,
)

#: Bytes after which the next shard begins.
SHARD_BYTES = 256_000_000
#: Where shards and index lie in a data set.
FOLDER, INDEX = "shards", "shards/index.parquet"
#: Tells a pack that was begun from a folder of the same name that somebody else filled.
BEGUN = "shards/begun"

#: Bytes of an image file, and of a shard, beyond which an index is damaged.
_LARGEST, _LONGEST = 1 << 31, 1 << 50

#: Bytes between two images that are read rather than left out, of one request, and of what a thread keeps.
_GAP, _MOST, _KEPT = 1 << 18, 32 << 20, 64 << 20
#: Bytes that are read at once where block follows block.
_AHEAD = 16 << 20

_SCHEMA = pa.schema([("shard", pa.int32()), ("start", pa.int64()), ("size", pa.int64())])


class PackError(ValueError):
    """The index of a pack is missing or is not the one that was written."""


@dataclass(frozen=True)
class Packed:
    """An image file in a shard, with those methods of a path that readers of images need."""

    shard: Place
    start: int
    size: int
    uri: str

    def __str__(self) -> str:
        return f"{self.shard}#{self.uri}"

    @property
    def name(self) -> str:
        """The name of the image file."""
        return PurePosixPath(self.uri).name

    def read_bytes(self) -> bytes:
        """Return the file, fewer bytes where the shard was cut; FileNotFoundError where it is gone."""
        return _READS.read(self)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open the file for reading."""
        if mode != "rb":
            raise ValueError(f"received mode {mode!r}; an image in a shard is only read")
        return io.BytesIO(self.read_bytes())


class Pack:
    """Where the images of a data set lie in shards.

    Parameters
    ----------
    folder : Path
        The data set.
    stated : mapping
        What its manifest says: `index`, the SHA-256 of the index.

    Raises
    ------
    PackError
        If the index is missing, or not the one that is stated.
    """

    def __init__(self, folder: Place, stated: Any) -> None:
        self._folder = folder
        path = folder / INDEX
        try:
            data = read_regular(path)
            if hashlib.sha256(data).hexdigest() != stated["index"]:
                raise PackError("it is not the one that was written (its SHA-256 differs)")
            table = pq.read_table(io.BytesIO(data))
            self._names = [_shard_name(name) for name in json.loads(table.schema.metadata[b"shards"])]
            table = table.cast(_SCHEMA)
            _check(table, len(self._names))
        except StoreError:
            raise
        except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
            raise PackError(f"{path} is missing or damaged: {error}") from error
        self._shard, self._start, self._size = (np.asarray(table[name]) for name in _SCHEMA.names)

    def __len__(self) -> int:
        return len(self._shard)

    @property
    def shards(self) -> list[Place]:
        """The shards, in order."""
        return [self._folder / FOLDER / name for name in self._names]

    def file(self, image: int, uri: str) -> Packed:
        """Return an image's file by its number and name."""
        shard = self._folder / FOLDER / self._names[self._shard[image]]
        return Packed(shard, int(self._start[image]), int(self._size[image]), uri)


def _shard_name(name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"\d{6,}\.tar", name):
        raise ValueError(f"{name!r} is no name of a shard")
    return name


def _check(table: pa.Table, shards: int) -> None:
    """Raise ValueError unless every image lies within a shard that there is."""
    if any(table[name].null_count for name in _SCHEMA.names):
        raise ValueError("a place is missing")
    shard, start, size = (np.asarray(table[name]) for name in _SCHEMA.names)
    if ((shard < 0) | (shard >= shards)).any():
        raise ValueError(f"it names a shard that is none of its {shards}")
    if ((start < 0) | (start > _LONGEST) | (size < 0) | (size > _LARGEST)).any():
        raise ValueError("an image lies outside its shard")


def write_pack(folder: Place, files: Iterable[tuple[str, bytes]], shard_bytes: int = SHARD_BYTES) -> dict[str, Any]:
    """Write files into shards, and their index last.

    Parameters
    ----------
    folder : Path
        The data set that they are of.
    files : iterable of (str, bytes)
        Name in the shard and content of each image, in order of their numbers.
    shard_bytes : int
        Bytes after which the next shard begins.

    Returns
    -------
    dict
        What the manifest states of the pack.
    """
    rows: list[tuple[int, int, int]] = []
    names: list[str] = []
    write_atomically(folder / BEGUN, b"filterscope pack\n")
    left = iter(files)
    first = next(left, None)
    while first is not None:
        number = len(names)
        names.append(f"{number:06d}.tar")
        with open_writing(folder / FOLDER / names[-1]) as file:
            places, first = _write_shard(file, first, left, shard_bytes)
        rows += [(number, start, size) for start, size in places]
    columns = (np.array(rows, np.int64).reshape(-1, 3)).T
    table = pa.table(dict(zip(_SCHEMA.names, columns, strict=True))).cast(_SCHEMA)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"shards": json.dumps(names)}), sink, compression="zstd")
    write_atomically(folder / INDEX, sink.getvalue())
    return {"format": 1, "index": hashlib.sha256(sink.getvalue()).hexdigest(), "shards": len(names)}


def _write_shard(
    file: IO[bytes], first: tuple[str, bytes], left: Iterator[tuple[str, bytes]], most: int
) -> tuple[list[tuple[int, int]], tuple[str, bytes] | None]:
    """Write files into a tar file until it is full; return start and size of each, and the file that found no room.

    The same files make the same bytes: nothing is said of times and owners.
    """
    places: list[tuple[int, int]] = []
    member: tuple[str, bytes] | None = first
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        while member is not None and (not places or tar.offset + len(member[1]) <= most):
            name, data = member
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            places.append((tar.offset - padded, len(data)))
            member = next(left, None)
    return places, member


def expect(files: Iterable[object]) -> None:
    """Say which files this thread reads next, so that neighbours in a shard come with one request; others are passed over."""
    _READS.expect(sorted((f for f in files if isinstance(f, Packed)), key=lambda file: (str(file.shard), file.start)))


class _Reads(threading.local):
    """What a thread has read of shards, and what it was told it will read."""

    def __init__(self) -> None:
        self._ranges: list[tuple[str, int, int]] = []
        self._chunks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._follows = False

    def expect(self, files: Sequence[Packed]) -> None:
        """Take note of files, in order of shards and places."""
        if not files:
            return
        last = self._ranges[-1] if self._ranges else ("", 0, 0)
        self._ranges = []
        for file in files:
            shard, start, stop = str(file.shard), file.start, file.start + file.size
            name, first, end = self._ranges[-1] if self._ranges else ("", 0, 0)
            if name == shard and start - end <= _GAP and stop - first <= _MOST:
                self._ranges[-1] = (shard, first, max(end, stop))
            else:
                self._ranges.append((shard, start, stop))
        shard, start, _ = self._ranges[0]
        follows = last[1] < start <= last[2] + _GAP if shard == last[0] else shard > last[0] and start <= _GAP
        self._follows = bool(last[0]) and follows
        if not self._follows:
            self._chunks.clear()

    def read(self, file: Packed) -> bytes:
        """Return the bytes of a file."""
        shard, stop = str(file.shard), file.start + file.size
        for (name, start), chunk in self._chunks.items():
            if name == shard and start <= file.start and stop <= start + len(chunk):
                return chunk[file.start - start : stop - start]
        start, end = self._range(shard, file.start, stop)
        chunk = _fetch(file.shard, start, end)
        if (start, end) != (file.start, stop):
            self._keep((shard, start), chunk)
        return chunk[file.start - start : stop - start]

    def _range(self, shard: str, start: int, stop: int) -> tuple[int, int]:
        """Return the range to ask for: what is expected beside a file and is not there yet, and more where blocks follow."""
        number = bisect_right(self._ranges, (shard, start, 1 << 62)) - 1
        name, first, end = self._ranges[number] if number >= 0 else ("", 0, 0)
        if name != shard or end < stop:
            return start, stop
        held = any(
            n == shard and s <= first and start <= s + len(chunk) + _GAP for (n, s), chunk in self._chunks.items()
        )
        begin = start if held else first
        return begin, max(end, begin + _AHEAD) if self._follows else end

    def _keep(self, key: tuple[str, int], chunk: bytes) -> None:
        self._chunks[key] = chunk
        while len(self._chunks) > 1 and sum(map(len, self._chunks.values())) > _KEPT:
            self._chunks.popitem(last=False)


_READS = _Reads()


def _fetch(shard: Place, start: int, stop: int) -> bytes:
    """Return bytes [start, stop) of a shard, fewer where it ends before."""
    with open_ranges(shard) as ranges:
        try:
            return ranges.read_range(start, stop)
        except StoreError as error:
            if "InvalidRange" not in str(error):
                raise
            return b""  # the shard was cut, which the image's digest tells


def as_place(file: Packed) -> Path:
    """Return a file in a shard as what readers of images take."""
    return cast("Path", file)


__all__ = ["BEGUN", "FOLDER", "INDEX", "SHARD_BYTES", "Pack", "PackError", "Packed", "as_place", "expect", "write_pack"]
