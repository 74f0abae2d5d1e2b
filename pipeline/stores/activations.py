"""Activations on disk: Zarr arrays written by image and read by unit."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from filterscope.pipeline.stores.map_arrays import MapArray, at_block, padded
from filterscope.pipeline.stores.places import Place, remove_tree, written
from filterscope.pipeline.stores.promises import DamagedError, Promise
from filterscope.pipeline.stores.zarr_arrays import create_array, open_array, quick


@dataclass(frozen=True)
class ActivationStore:
    """Activations of one layer of one model, written by image and read by unit.

    `activations` is a `MapArray`. `maxima` is float16 of shape (views, units), NaN for a view that was rejected, and outlives
    the activations.
    """

    run: Place
    model: str
    layer: str

    def create(
        self, views: int, units: int, height: int, width: int, *, image_block: int, unit_block: int, maps: bool = True
    ) -> None:
        """Create both arrays, or without `maps` that of the maxima, if not there; the view axis is padded to whole shards."""
        if maps:
            self._maps.create(views, units, height, width, image_block=image_block, unit_block=unit_block)
        shape = (padded(views, image_block), units)
        from zarr.codecs import BloscCodec

        create_array(
            self._place("maxima"),
            shape=shape,
            chunks=(image_block, units),
            dtype="float16",
            compressors=BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle", typesize=2),
            fill_value=np.nan,
            attributes={"views": views},
        )

    def write(self, start: int, activations: np.ndarray, maxima: np.ndarray) -> dict[str, str]:
        """Write one image block, whole.

        Returns
        -------
        dict of str to str
            SHA-256 of the shard as ``maps``, the checksums of its chunks as ``chunks``, and what `write_maxima` returns.
        """
        digest, chunks = self._maps.write(start, activations)
        return {"maps": digest, "chunks": chunks, **self.write_maxima(start, maxima)}

    def write_maxima(self, start: int, maxima: np.ndarray) -> dict[str, str]:
        """Write the maxima of one image block (float16, shape (views, units)); what an interrupted writer left is removed.

        Returns
        -------
        dict of str to str
            SHA-256 of the file as ``maxima/BLOCK``; empty where no view of the block was decoded, for then there is none.
        """
        array = self._maxima
        block = str(start // array.chunks[0])
        path = self.maxima_path(block)
        path.unlink(missing_ok=True)
        with quick(self.run):
            array[start : start + len(maxima)] = maxima
        written(path, path.parents[1], path.parents[2])  # Zarr made their folders
        try:
            return {f"maxima/{block}": hashlib.sha256(path.read_bytes()).hexdigest()}
        except FileNotFoundError:
            return {}

    def maxima_path(self, block: str) -> Place:
        """Return the file of the maxima of an image block, by its number."""
        return self._place("maxima").joinpath("c", block, "0")

    def read(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maps of some units on views [start, stop): float16 of shape (views, units, height, width)."""
        return self._maps.read(start, stop, units)

    def read_maxima(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maxima of some units on views [start, stop): float16 of shape (views, units).

        Raises
        ------
        DamagedError
            If a file of them is missing, or is not what was written.
        """
        block = self._maxima.chunks[0]
        first = start - start % block
        parts = [self._maxima_of(here)[:, units] for here in range(first, stop, block)]
        found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return found[start - first : stop - first]

    def _maxima_of(self, start: int) -> np.ndarray:
        """Return the maxima of the image block that begins at a view; NaN where no view of it was decoded."""
        from numcodecs import blosc

        shape, promise = self._maxima.chunks, at_block(self._promise, start)
        block = str(start // shape[0])
        name, path = f"maxima/{block}", self.maxima_path(block)
        try:
            data = promise.read(name, path)
        except DamagedError:
            if path.exists() or promise.stated(name):
                raise
            return np.full(shape, np.nan, np.float16)
        values = np.empty(shape, "<f2")
        try:
            blosc.decompress(data, values)
        except (RuntimeError, ValueError):
            raise promise.broken(path, "is damaged") from None
        return values

    @property
    def removed(self) -> bool:
        """Whether the maps were deleted, so that they cannot be read."""
        return (self._place("activations") / "removed").exists()

    def remove_activations(self) -> None:
        """Delete the stored maps; the maxima stay."""
        (self._place("activations") / "removed").touch()
        remove_tree(self._place("activations") / "c")

    def readmit(self) -> None:
        """Take note that the maps will be written again."""
        (self._place("activations") / "removed").unlink(missing_ok=True)

    def shard(self, start: int) -> Place:
        """Return the file of the image block that begins at a view."""
        return self._maps.shard(start)

    def read_block(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Read all maps and maxima of the image block that begins at a view."""
        return self._maps.read_block(start), self.read_maxima(start, self._maps.block(start).stop, slice(None))

    def _place(self, name: str) -> Place:
        return self.run / f"{name}.zarr" / self.model / self.layer

    @cached_property
    def _maps(self) -> MapArray:
        return MapArray(self._place("activations"), self._promise, "chunks")

    @property
    def _promise(self) -> Promise:
        return Promise(self.run, ("extract", "histograms"), (self.model, self.layer, "images-000000"))

    @cached_property
    def _maxima(self) -> Any:
        return open_array(self._place("maxima"), "r+")


__all__ = ["ActivationStore"]
