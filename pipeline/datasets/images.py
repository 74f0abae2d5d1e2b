"""Image files that cannot be trusted: which formats are opened at all, and their pixels as RGB."""

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

#: What is decoded. Others are not even tried: PIL would hand a PostScript file, whatever its name, to Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

#: A damaged file makes the decoders raise almost anything; their message is the reason of the reject.
UNDECODABLE = (Exception,)


def open_image(source: Path | IO[bytes]) -> Image.Image:
    """Open an image file without decoding it; one of more pixels than PIL allows (about 179 million) is refused."""
    return Image.open(source, formats=FORMATS)


def is_deep(image: Image.Image) -> bool:
    """Tell whether an image has 16 bits a pixel."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def as_rgb(image: Image.Image) -> Image.Image:
    """Decode the first frame to RGB, transparency dropped, an orientation tag not applied.

    Raises
    ------
    ValueError
        If black and white are not defined: 32-bit integers and floating-point numbers.
    """
    if is_deep(image):
        # PIL would cut at 255, so that nearly all of a 16-bit image were white
        levels = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined black and white")
    return image.convert("RGB")
