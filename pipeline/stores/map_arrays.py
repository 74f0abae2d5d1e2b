"""Zarr arrays of maps, written by image and read by unit: what activations and gradients are stored in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from filterscope.pipeline.stores.places import Place
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.shards import read_chunk, write_shard
from filterscope.pipeline.stores.zarr_arrays import create_array, open_array


@dataclass(frozen=True)
class MapArray:
    """Maps of one layer, float16 of shape (views, units, height, width).

    One shard an image block, so that each shard has one writer; inner chunks of `unit_block` units, so that a block of units is
    read without the others. The view axis is padded to whole shards.

    Attributes
    ----------
    place : Place
        Folder of the array.
    promise : Promise
        Of the work that writes its first block; the others follow.
    checksums : str
        What markers call the checksums of the chunks.
    """

    place: Place
    promise: Promise
    checksums: str

    def create(self, views: int, units: int, height: int, width: int, *, image_block: int, unit_block: int) -> None:
        """Create the array if it is not there."""
        from zarr.codecs import BloscCodec

        unit_block = min(unit_block, units)
        shape = (padded(views, image_block), units, height, width)
        create_array(
            self.place,
            shape=shape,
            chunks=(image_block, unit_block, height, width),
            # a shard holds whole chunks, so its unit axis is rounded up
            shards=(image_block, -(-units // unit_block) * unit_block, height, width),
            dtype="float16",
            # half of Zstandard's savings at three times its speed; numbers that do not repeat are stored as they are
            compressors=BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle", typesize=2),
            fill_value=0,
            attributes={"views": views},
        )

    def write(self, start: int, maps: np.ndarray) -> tuple[str, str]:
        """Write one image block, whole, in place of what an interrupted writer left there.

        Returns
        -------
        (str, str)
            The file's SHA-256, and the checksums of its chunks as `shards.write_shard` returns them.
        """
        return write_shard(self.shard(start), maps, self._array.chunks)

    def read(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maps of units on views, both as far as there are any: float16 of shape (views, units, height, width).

        Raises
        ------
        DamagedError
            If a shard is missing, or is not what was written.
        """
        (views, block), shape = self._chunks[:2], self._array.shape
        stop, units = min(stop, shape[0]), slice(units.start, min(units.stop, shape[1]))
        firsts = range(start - start % views, stop, views)
        if len(firsts) == 1 and not units.start % block and units.stop - units.start <= block:
            chunk = self._chunk(firsts[0], units.start // block)
            return chunk[start - firsts[0] : stop - firsts[0], : units.stop - units.start]
        numbers = range(units.start // block, -(-units.stop // block))
        skipped = units.start - numbers[0] * block
        rows = []
        for first in firsts:
            part = np.concatenate([self._chunk(first, number) for number in numbers], axis=1)
            here = slice(max(start - first, 0), stop - first)
            rows.append(part[here, skipped : skipped + units.stop - units.start])
        return np.concatenate(rows)

    def _chunk(self, start: int, number: int) -> np.ndarray:
        count, promise = -(-self._array.shape[1] // self._chunks[1]), at_block(self.promise, start)
        return read_chunk(self.shard(start), number, count, self._chunks, promise, self.checksums)

    def read_block(self, start: int) -> np.ndarray:
        """Read all maps of the image block that begins at a view."""
        stop, (units, block) = self.block(start).stop, (self._array.shape[1], self._array.chunks[1])
        found = [self.read(start, stop, slice(first, min(first + block, units))) for first in range(0, units, block)]
        return np.concatenate(found, axis=1)

    def block(self, start: int) -> range:
        """Return the views of the image block that begins at a view."""
        return range(self._array.attrs["views"])[start : start + self._array.chunks[0]]

    def shard(self, start: int) -> Place:
        """Return the file of the image block that holds a view."""
        return self.place.joinpath("c", str(start // self._chunks[0]), "0", "0", "0")

    @cached_property
    def _chunks(self) -> tuple[int, ...]:
        return tuple(self._array.chunks)  # Zarr works it out anew each time

    @cached_property
    def _array(self) -> Any:
        return open_array(self.place, "r+")


def at_block(promise: Promise, start: int) -> Promise:
    """Return what is promised of the work on the image block that begins at a view."""
    return Promise(promise.run, promise.stages, (*promise.place[:-1], f"images-{start:06d}"))


def padded(views: int, image_block: int) -> int:
    """Return the length of an axis of views that is made of whole image blocks."""
    return -(-views // image_block) * image_block


__all__ = ["MapArray", "at_block", "padded"]
