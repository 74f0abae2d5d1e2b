"""Where a network looks in an image: the one map that image and masks both go through."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from filterscope.operators.dissection.masks import sample_positions
from filterscope.pipeline.views.transform import Transform

Kind = Literal["squash", "crop"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


Point = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Window:
    """The part of an image that a view shows.

    Attributes
    ----------
    box : (int, int, int, int), optional
        x0, y0, x1, y1 in whole pixels; x1 and y1 lie outside. None is the whole image.
    flip : bool
        Mirrored left to right.
    """

    box: tuple[int, int, int, int] | None = None
    flip: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what it shows of an image."""
        if self.box is None:
            return height, width
        return self.box[3] - self.box[1], self.box[2] - self.box[0]


WHOLE = Window()


@dataclass(frozen=True)
class Geometry:
    """How images of any size become network inputs of one size.

    A window is cut out first and then treated as a separate image; a flip mirrors the result, so that a view and its flip
    are mirror images pixel by pixel.

    Attributes
    ----------
    kind : "squash" or "crop"
        `squash`: the whole image resized, aspect ignored. `crop`: the shorter side resized, then the centre cropped.
    size : (int, int)
        Height and width of the network input.
    shorter : int
        Shorter side after resizing; used by `crop` alone.
    interpolation : str
        Name of the PIL filter.
    """

    kind: Kind
    size: tuple[int, int]
    shorter: int
    interpolation: str

    @classmethod
    def of(cls, transform: Transform, kind: Kind) -> "Geometry":
        """Take size and filter from a model's transform."""
        return cls(kind, transform.input_size, transform.resize_size, transform.interpolation)

    @property
    def mask_key(self) -> str:
        """What masks depend on, as a name: squashed masks are the same for every input size."""
        if self.kind == "squash":
            return "squash"
        return f"crop-{self.shorter}-{self.size[0]}x{self.size[1]}"

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return the size an image is resized to before the centre is cut out."""
        if self.kind == "squash":
            return self.size
        # torchvision's rule: the longer side is truncated to a whole pixel.
        if height <= width:
            return self.shorter, int(self.shorter * width / height)
        return int(self.shorter * height / width), self.shorter

    def offset(self, height: int, width: int) -> tuple[int, int]:
        """Return the top and left of the cut in the resized image; negative where the resized image is smaller."""
        resized = self.resized(height, width)
        top, left = (round((big - cut) / 2.0) for big, cut in zip(resized, self.size, strict=True))
        return top, left

    def image(self, image: Image.Image, window: Window = WHOLE) -> np.ndarray:
        """Return the network's view of an image: uint8 of shape (height, width, 3); black outside the image."""
        part = image if window.box is None else image.crop(window.box)
        rgb = part if part.mode == "RGB" else part.convert("RGB")
        rows, columns = self.resized(rgb.height, rgb.width)
        top, left = self.offset(rgb.height, rgb.width)
        resized = rgb.resize((columns, rows), _FILTERS[self.interpolation])
        if self.kind == "crop":
            resized = resized.crop((left, top, left + self.size[1], top + self.size[0]))
        pixels = np.asarray(resized)
        return pixels[:, ::-1] if window.flip else pixels

    def mask(self, mask: np.ndarray, size: tuple[int, int], window: Window = WHOLE) -> np.ndarray:
        """Return the mask (bool, shape (H, W)) that the network sees, sampled to `size`, never averaged."""
        return mask[np.ix_(*self.positions(mask.shape, size, window))]

    def positions(
        self, shape: tuple[int, ...], size: tuple[int, int], window: Window = WHOLE
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows and columns of an image of a `shape` the network sees where a mask is sampled to `size`."""
        x0, y0, x1, y1 = window.box if window.box is not None else (0, 0, shape[1], shape[0])
        first = y0, x0
        part = min(y1, shape[0]) - y0, min(x1, shape[1]) - x0
        axes = zip(first, part, self.resized(*part), self.offset(*part), self.size, size, strict=True)
        sampled = []
        for origin, native, resized, start, extent, pixels in axes:
            scale = native / resized
            sampled.append(origin + sample_positions(start * scale, extent * scale, pixels, native))
        rows, columns = sampled
        return rows, columns[::-1] if window.flip else columns

    def seen(self, height: int, width: int, window: Window = WHOLE) -> tuple[float, float, float, float]:
        """Return left, top, width and height of what the network sees of an image, in its pixels; it may lie outside."""
        x0, y0, x1, y1 = window.box if window.box is not None else (0, 0, width, height)
        part = min(y1, height) - y0, min(x1, width) - x0
        resized, cut = self.resized(*part), self.offset(*part)
        (top, high), (left, wide) = (
            (origin + start * native / whole, extent * native / whole)
            for origin, native, whole, start, extent in zip((y0, x0), part, resized, cut, self.size, strict=True)
        )
        return left, top, wide, high

    def points(self, x: np.ndarray, y: np.ndarray, size: tuple[int, int], window: Window = WHOLE) -> Point:
        """Map points of an image of `size` (height, width) to the network input.

        Coordinates are in pixels, 0 at the centre of the leftmost or topmost pixel, before and after; a point that the
        network does not see comes out below -0.5 or at the input's size minus 0.5 and above.
        """
        left, top = (0, 0) if window.box is None else window.box[:2]
        shown = window.size(*size)
        axes = zip((y - top, x - left), shown, self.resized(*shown), self.offset(*shown), strict=True)
        rows, columns = (
            (np.asarray(values, np.float64) + 0.5) * resized / native - start - 0.5
            for values, native, resized, start in axes
        )
        return (self.size[1] - 1 - columns if window.flip else columns), rows
