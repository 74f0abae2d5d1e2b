"""Zarr shards written whole and read by chunk, without Zarr's machinery, which costs more than the bytes.

The store stays plain Zarr 3: a shard is its chunks, then an index of (offset, length) pairs and the index's CRC-32C.
"""

import hashlib
from collections.abc import Sequence

import google_crc32c
import numpy as np

from filterscope.pipeline.stores.places import Place, open_ranges, write_atomically

#: Offset and length of a chunk that was not written: it holds the fill value.
_ABSENT = 2**64 - 1


def write_shard(shard: Place, values: np.ndarray, shape: Sequence[int]) -> str:
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
    str
        SHA-256 of the file.
    """
    from numcodecs import blosc

    blosc.set_nthreads(1)  # parallelism is Ray's
    parts, sizes = [], []
    for start in range(0, values.shape[1], shape[1]):
        chunk, part = np.zeros(shape, "<f2"), values[:, start : start + shape[1]]
        chunk[: part.shape[0], : part.shape[1]] = part
        parts.append(blosc.compress(chunk, b"lz4", 1, blosc.NOSHUFFLE))
        sizes.append(len(parts[-1]))
    index = np.stack([np.cumsum([0, *sizes[:-1]]), sizes], axis=1).astype("<u8").tobytes()
    content = b"".join([*parts, index, google_crc32c.value(index).to_bytes(4, "little")])
    write_atomically(shard, content)
    return hashlib.sha256(content).hexdigest()


def read_chunk(shard: Place, number: int, chunks: int, shape: Sequence[int]) -> np.ndarray:
    """Read a chunk that Blosc compressed; zeros where it, or the whole shard, was never written.

    Parameters
    ----------
    shard : path
        File of the shard.
    number, chunks : int
        Which of how many chunks.
    shape : sequence of int
        Shape of a chunk of float16.

    Raises
    ------
    OSError
        If the index does not match its checksum.
    """
    from numcodecs import blosc

    blosc.set_nthreads(1)  # parallelism is Ray's
    try:
        with open_ranges(shard) as file:
            size = 16 * chunks + 4
            index = file.read_end(size)
            if len(index) != size or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
                raise OSError(f"{shard} is damaged; `filterscope doctor RUN --repair` computes it again")
            offset, length = np.frombuffer(index[:-4], "<u8").reshape(chunks, 2)[number].tolist()
            if offset == _ABSENT:
                return np.zeros(shape, np.float16)
            values = np.empty(shape, "<f2")
            blosc.decompress(file.read_range(offset, offset + length), values)
            return values
    except FileNotFoundError:
        return np.zeros(shape, np.float16)


__all__ = ["read_chunk", "write_shard"]
