"""Zarr arrays of maps, written by image and read by unit: what activations and gradients are stored in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from filterscope.pipeline.stores.places import Place
from filterscope.pipeline.stores.shards import read_chunk, write_shard
from filterscope.pipeline.stores.zarr_arrays import create_array, open_array, quick


@dataclass(frozen=True)
class MapArray:
    """Maps of one layer, float16 of shape (views, units, height, width).

    One shard an image block, so that each shard has one writer; inner chunks of `unit_block` units, so that a block of units is
    read without the others. The view axis is padded to whole shards.

    Attributes
    ----------
    place : Place
        Folder of the array.
    """

    place: Place

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

    def write(self, start: int, maps: np.ndarray) -> str:
        """Write one image block, whole, in place of what an interrupted writer left there; return the file's SHA-256."""
        return write_shard(self.shard(start), maps, self._array.chunks)

    def read(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maps of some units on views [start, stop): float16 of shape (views, units, height, width)."""
        array = self._array
        views, block = array.chunks[:2]
        if start % views or stop - start > views or units.start % block or units.stop - units.start > block:
            with quick(self.place):
                return np.asarray(array[start:stop, units])
        chunk = read_chunk(self.shard(start), units.start // block, array.shards[1] // block, array.chunks)
        return chunk[: stop - start, : units.stop - units.start]

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
        return self.place.joinpath("c", str(start // self._array.chunks[0]), "0", "0", "0")

    @cached_property
    def _array(self) -> Any:
        return open_array(self.place, "r+")


def padded(views: int, image_block: int) -> int:
    """Return the length of an axis of views that is made of whole image blocks."""
    return -(-views // image_block) * image_block


__all__ = ["MapArray", "padded"]
