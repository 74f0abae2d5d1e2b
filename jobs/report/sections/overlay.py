"""Maps over the image that they explain, as pictures: one colour scale a map, two-sided where a map is signed."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filterscope.pipeline.stores.places import write_atomically

#: Longer side of a picture, in pixels.
SIDE = 448
_QUALITY = 85
#: Red, green, blue and opacity from nothing to the largest value, as `static/pictures.js` has them.
_STOPS = np.array(
    [
        [0, 0, 4, 0],
        [40, 11, 84, 90],
        [137, 34, 106, 150],
        [203, 65, 73, 190],
        [246, 140, 36, 215],
        [252, 230, 120, 235],
    ],
    np.float64,
)
#: The same of what speaks against a class and for it.
_AGAINST, _FOR = (np.array([[*colour, 0], [*colour, 235]], np.float64) for colour in ([33, 102, 172], [178, 24, 43]))


def overlay(pixels: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay a map over an image.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width, 3)
        The image.
    values : float ndarray of shape (height, width)
        The map. Its largest magnitude has the strongest colour; what is not finite has none.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
        Where the map is negative somewhere, a grey image under blue for what is below 0 and red for what is above.
    """
    known = np.where(np.isfinite(values), values, 0).astype(np.float64)
    peak = np.abs(known).max(initial=0.0)
    part = known / peak if peak > 0 else known
    signed = bool((part < 0).any())
    under = pixels.astype(np.float64)
    if signed:
        under = np.repeat(under.mean(axis=2, keepdims=True), 3, axis=2)
        above = np.where((part >= 0)[..., None], _coloured(part, _FOR), _coloured(-part, _AGAINST))
    else:
        above = _coloured(part, _STOPS)
    opacity = above[..., 3:] / 255
    return np.rint(under * (1 - opacity) + above[..., :3] * opacity).astype(np.uint8)


def _coloured(part: NDArray[np.float64], stops: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return red, green, blue and opacity of values from 0 to 1; what is below is as 0."""
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(part, at, stops[:, channel]) for channel in range(4)], axis=-1)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image of at most `SIDE` pixels, enlarged to it, as WebP."""
    from PIL import Image

    scale = SIDE / max(pixels.shape[:2])
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    sink = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(sink, "WEBP", quality=_QUALITY, method=2)
    write_atomically(path, sink.getvalue())


__all__ = ["SIDE", "overlay", "write_picture"]
