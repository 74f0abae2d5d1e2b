"""Where a network looks in an image: the one map that image and masks both go through."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from operators.masks import sample_positions
from pipeline.models.transform import Transform

Kind = Literal["squash", "crop"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Geometry:
    """How images of any size become network inputs of one size.

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
        return tuple(round((big - cut) / 2.0) for big, cut in zip(resized, self.size, strict=True))

    def image(self, image: Image.Image) -> np.ndarray:
        """Return the network's view of an image: uint8 of shape (height, width, 3); black outside the image."""
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        rows, columns = self.resized(rgb.height, rgb.width)
        top, left = self.offset(rgb.height, rgb.width)
        resized = rgb.resize((columns, rows), _FILTERS[self.interpolation])
        if self.kind == "crop":
            resized = resized.crop((left, top, left + self.size[1], top + self.size[0]))
        return np.asarray(resized)

    def mask(self, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the mask (bool, shape (H, W)) that the network sees, sampled to `size`, never averaged."""
        axes = zip(mask.shape, self.resized(*mask.shape), self.offset(*mask.shape), self.size, size, strict=True)
        sampled = []
        for native, resized, start, extent, pixels in axes:
            scale = native / resized
            sampled.append(sample_positions(start * scale, extent * scale, pixels, native))
        return mask[np.ix_(*sampled)]
