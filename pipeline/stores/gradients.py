"""Gradients on disk: Zarr arrays written by image and read by unit, each view multiplied by a power of two of its own.

Gradients of a class score are often far below the smallest float16, and their sizes differ between views by orders of
magnitude. A power of two changes no digit, so what is lost is float16's rounding alone: relative to the largest magnitude of
the view, at most 2^-11 of a value above 2^-28 of it, and an absolute 2^-39 of it below.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from filterscope.pipeline.stores.map_arrays import MapArray, at_block, padded
from filterscope.pipeline.stores.places import Place, write_atomically
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.zarr_arrays import create_array, open_array

#: The largest magnitude of a view is stored as at least 2^14 and below 2^15, half of what float16 holds.
_EXPONENT = 15
#: Exponent of the largest power of two in float32.
_LARGEST = 127


@dataclass(frozen=True)
class GradientStore:
    """Gradients with respect to one layer of one model, written by image and read by unit.

    `gradients` is a `map_arrays.MapArray`, blocked as activations are. `gradient_scales` is float32 of shape (views,): what the
    gradients of a view were multiplied by; 0 where all are zero, NaN where there is none.
    """

    run: Place
    model: str
    layer: str

    def create(self, views: int, units: int, height: int, width: int, *, image_block: int, unit_block: int) -> None:
        """Create both arrays if they are not there."""
        self._maps.create(views, units, height, width, image_block=image_block, unit_block=unit_block)
        length = padded(views, image_block)
        create_array(
            self._place("gradient_scales"),
            shape=(length,),
            chunks=(image_block,),
            dtype="float32",
            compressors=None,  # a chunk is its numbers: written here without Zarr, at once or not at all
            fill_value=np.nan,
            attributes={"views": views},
        )

    def write(self, start: int, maps: np.ndarray, scales: np.ndarray) -> dict[str, str]:
        """Write one image block, whole.

        Parameters
        ----------
        start : int
            Its first view.
        maps : float16 ndarray of shape (views, units, height, width)
            Gradients times their scales, as `scaled` returns them.
        scales : float32 ndarray of shape (views,)
            The scales.

        Returns
        -------
        dict of str to str
            SHA-256 of the files that `files` names, and the checksums of the chunks of maps as ``chunks``.
        """
        digest, chunks = self._maps.write(start, maps)
        chunk = np.full(self._scales.chunks, np.nan, "<f4")
        chunk[: len(scales)] = scales
        files = self.files(start)
        write_atomically(files["scales"], chunk.tobytes())
        return {"maps": digest, "chunks": chunks, "scales": hashlib.sha256(chunk.tobytes()).hexdigest()}

    def read(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the gradients of some units on views [start, stop).

        Returns
        -------
        float32 ndarray of shape (views, units, height, width)
            NaN for a view that has none: its image was rejected, or it has no class to differentiate.
        """
        return unscaled(self._maps.read(start, stop, units), self.read_scales(start, stop))

    def read_scales(self, start: int, stop: int) -> np.ndarray:
        """Read the scales of views [start, stop): float32 of shape (views,)."""
        (block,) = self._scales.chunks
        first = start - start % block
        found = np.concatenate([self._scales_of(here) for here in range(first, stop, block)])
        return found[start - first : stop - first]

    def _scales_of(self, start: int) -> np.ndarray:
        promise, path = at_block(self._promise, start), self.files(start)["scales"]
        data = promise.read("gradients/scales", path)
        if len(data) != 4 * self._scales.chunks[0]:
            raise promise.broken(path, "is damaged")
        return np.frombuffer(data, "<f4")

    def files(self, start: int) -> dict[str, Place]:
        """Return the files of the image block that begins at a view, by the names `maps` and `scales`."""
        scales = self._place("gradient_scales").joinpath("c", str(start // self._scales.chunks[0]))
        return {"maps": self._maps.shard(start), "scales": scales}

    def _place(self, name: str) -> Place:
        return self.run / f"{name}.zarr" / self.model / self.layer

    @cached_property
    def _maps(self) -> MapArray:
        return MapArray(self._place("gradients"), self._promise, "gradients/chunks")

    @property
    def _promise(self) -> Promise:
        return Promise(self.run, ("gradients",), (self.model, self.layer, "images-000000"))

    @cached_property
    def _scales(self) -> Any:
        return open_array(self._place("gradient_scales"), "r+")


def scaled(gradients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale gradients view by view so that float16 holds them.

    Parameters
    ----------
    gradients : float32 ndarray of shape (views, units, height, width)
        Finite numbers.

    Returns
    -------
    maps : float16 ndarray of the same shape
        Gradients times scales.
    scales : float32 ndarray of shape (views,)
        Powers of two that bring the largest magnitude of each view into [2^14, 2^15), or 2^127 where that is too little;
        0 where all are zero.
    """
    largest = np.abs(gradients).max(axis=(1, 2, 3))
    exponents = np.minimum(_EXPONENT - np.frexp(largest)[1], _LARGEST)
    scales = np.where(largest > 0, np.ldexp(np.float32(1), exponents), np.float32(0)).astype(np.float32)
    return (gradients * scales[:, None, None, None]).astype(np.float16), scales


def unscaled(maps: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return gradients, float32, from what `scaled` returned; NaN where the scale is NaN."""
    divisors = np.where(scales == 0, np.float32(1), scales)
    return maps.astype(np.float32) / divisors[:, None, None, None]


__all__ = ["GradientStore", "scaled", "unscaled"]
