"""Decode image files into network inputs; what cannot be decoded is reported, not raised."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.geometry import Geometry


@dataclass(frozen=True)
class Decoded:
    """Decoded images of one block.

    Attributes
    ----------
    pixels : uint8 ndarray of shape (images, height, width, 3)
        RGB; zeros where the image was rejected.
    reasons : list of str
        Why each image was rejected; empty where it was not.
    """

    pixels: np.ndarray
    reasons: list[str]


def decode(paths: list[Path], geometry: Geometry) -> Decoded:
    """Decode image files in the given geometry."""
    pixels = np.zeros((len(paths), *geometry.size, 3), np.uint8)
    reasons = []
    for row, path in zip(pixels, paths, strict=True):
        try:
            with Image.open(path) as image:
                row[:] = geometry.image(image)
            reasons.append("")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reasons.append(f"{type(error).__name__}: {error}".replace(str(path), path.name))
    return Decoded(pixels, reasons)
