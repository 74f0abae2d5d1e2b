"""Zarr shards written whole and read by chunk, without Zarr's machinery, which costs more than the bytes.

The store stays plain Zarr 3: a shard is its chunks, then an index of (offset, length) pairs and the index's CRC-32C. The
CRC-32C of each chunk is in the marker of the work that wrote the shard, so that a chunk of another shard is noticed too.
"""

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import google_crc32c
import numpy as np

from filterscope.pipeline.stores.places import Place, open_ranges, write_atomically
from filterscope.pipeline.stores.promises import Promise

#: Bytes of the header of a chunk (version, version of LZ4, flags, size of a number, then three sizes, uint32: of the numbers,
#: of a block, of the chunk), and the flag of numbers that did not become smaller and follow as they were.
_HEADER, _STORED = 16, 0x02
#: Offset and length of a chunk that was not written: it holds the fill value.
_ABSENT = 2**64 - 1


def write_shard(shard: Place, values: np.ndarray, shape: Sequence[int]) -> tuple[str, str]:
    """Write the chunks along the second axis of one image block, compressed by Blosc, all at once or not at all.

    Parameters
    ----------
    shard : path
        File of the shard.
    values : float16 ndarray of shape (views, units, height, width)
        Fills the shard's first views and units; the rest is zero.
    shape : sequence of int
        Shape of a chunk.

    Returns
    -------
    (str, str)
        SHA-256 of the file, and the CRC-32C of each chunk as 8 hexadecimal digits, one behind the other.
    """
    from numcodecs import blosc

    blosc.set_nthreads(1)  # parallelism is Ray's
    parts, sizes = [], []
    for start in range(0, values.shape[1], shape[1]):
        part = np.ascontiguousarray(values[:, start : start + shape[1]], "<f2")
        if part.shape != tuple(shape):
            chunk = np.zeros(shape, "<f2")
            chunk[: part.shape[0], : part.shape[1]] = part
            part = chunk
        parts.append(blosc.compress(part, b"lz4", 1, blosc.NOSHUFFLE))
        sizes.append(len(parts[-1]))
    index = np.stack([np.cumsum([0, *sizes[:-1]]), sizes], axis=1).astype("<u8").tobytes()
    content = b"".join([*parts, index, google_crc32c.value(index).to_bytes(4, "little")])
    digest = _hashing().submit(hashlib.sha256, content)  # while the disk is waited for
    write_atomically(shard, content)
    return digest.result().hexdigest(), "".join(f"{google_crc32c.value(part):08x}" for part in parts)


@cache
def _hashing() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "hashing")


def read_chunk(shard: Place, number: int, chunks: int, shape: Sequence[int], promise: Promise, name: str) -> np.ndarray:
    """Read a chunk that Blosc compressed; zeros where version 0.1 did not write it.

    Parameters
    ----------
    shard : path
        File of the shard.
    number, chunks : int
        Which of how many chunks.
    shape : sequence of int
        Shape of a chunk of float16.
    promise : Promise
        Of the work that wrote it.
    name : str
        What its marker calls the checksums of the chunks.

    Raises
    ------
    DamagedError
        If the shard is missing, or does not match its checksums.
    """
    try:
        with open_ranges(shard) as file:
            size = 16 * chunks + 4
            index = file.read_end(size)
            if len(index) != size or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
                raise promise.broken(shard, "is damaged")
            offset, length = np.frombuffer(index[:-4], "<u8").reshape(chunks, 2)[number].tolist()
            if offset == _ABSENT:
                promise.hold(name, shard, lambda stated: False)
                return np.zeros(shape, np.float16)
            chunk = np.empty(length, np.uint8)
            chunk = chunk[: file.read_into(offset, chunk.data)]
    except FileNotFoundError:
        raise promise.broken(shard, "is missing") from None
    except (OverflowError, MemoryError, ValueError):  # of an offset or a length from another file
        raise promise.broken(shard, "is damaged") from None
    checksum = f"{google_crc32c.value(chunk):08x}"
    promise.hold(
        name, shard, lambda stated: len(stated) == 8 * chunks and stated[8 * number : 8 * number + 8] == checksum
    )
    try:
        return _unpacked(chunk, shape)
    except (RuntimeError, ValueError):
        raise promise.broken(shard, "is damaged") from None


def _unpacked(chunk: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return what Blosc packed, float16; what it stored as it was is not copied out of the chunk."""
    from numcodecs import blosc

    size = 2 * math.prod(shape)
    if len(chunk) == size + _HEADER and chunk[2] & _STORED and int.from_bytes(chunk[4:8], "little") == size:
        return chunk[_HEADER:].view("<f2").reshape(shape)
    blosc.set_nthreads(1)  # parallelism is Ray's
    values = np.empty(shape, "<f2")
    blosc.decompress(chunk, values)
    return values


__all__ = ["read_chunk", "write_shard"]
