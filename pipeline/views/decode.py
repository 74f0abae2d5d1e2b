"""Decode image files into network inputs; what cannot be decoded is reported, not raised."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from filterscope.pipeline.datasets.images import UNDECODABLE, as_rgb, open_image, upright
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.stores.places import readable
from filterscope.pipeline.views.geometry import WHOLE, Geometry, Window
from filterscope.pipeline.views.views import Views


@dataclass(frozen=True)
class Decoded:
    """Decoded views of one block.

    Attributes
    ----------
    pixels : uint8 ndarray of shape (views, height, width, 3)
        RGB; zeros where the image was rejected.
    reasons : list of str
        Why each image was rejected; empty where it was not.
    """

    pixels: np.ndarray
    reasons: list[str]


def decode(
    paths: Sequence[Path],
    geometry: Geometry,
    windows: Sequence[Window] | None = None,
    orientations: Sequence[int | None] | None = None,
) -> Decoded:
    """Decode image files in the given geometry, a window of each or all of it; consecutive windows of one file share a read.

    A window is one of the image turned by its EXIF orientation (`images.orientation` of the data set; None: as stored).
    """
    pixels = np.zeros((len(paths), *geometry.size, 3), np.uint8)
    reasons: list[str] = []
    known: Path | None = None
    every = zip(pixels, paths, windows or [WHOLE] * len(paths), orientations or [None] * len(paths), strict=True)
    for row, path, window, orientation in every:
        if path != known:
            known, image = path, _load(path, orientation)
        if isinstance(image, str):
            reasons.append(image)
        else:
            row[:] = geometry.image(image, window)
            reasons.append("")
    return Decoded(pixels, reasons)


def decode_views(dataset: Dataset, views: Views, start: int, stop: int, geometry: Geometry) -> Decoded:
    """Decode views [start, stop) of a data set."""
    return decode_images(
        dataset, views.image[start:stop], geometry, [window for _, window in views.windows(start, stop)]
    )


def decode_images(dataset: Dataset, images: np.ndarray, geometry: Geometry, windows: Sequence[Window]) -> Decoded:
    """Decode a window of each of the given images of a data set, the way it was imported."""
    paths = [dataset.path(uri) for uri in view_files(dataset, images)]
    return decode(paths, geometry, windows, dataset.images["orientation"].take(images).to_pylist())


def view_files(dataset: Dataset, images: np.ndarray) -> list[str]:
    """Return where the files of the given images lie, relative to the data set, in that order."""
    return dataset.images["uri"].take(images).to_pylist()


def _load(path: Path, orientation: int | None) -> Image.Image | str:
    """Return the decoded image in RGB, or why it cannot be decoded."""
    try:
        jpeg = _load_jpeg(path)
        if jpeg is not None:
            return upright(jpeg, orientation)
        with open_image(readable(path)) as image:
            return upright(as_rgb(image), orientation)
    except UNDECODABLE as error:
        return f"{type(error).__name__}: {error}".replace(str(path), path.name)


def _load_jpeg(path: Path) -> Image.Image | None:
    """Return a plain JPEG file decoded to the pixels that PIL gives, faster; None leaves the file, and the verdict, to PIL."""
    data = path.read_bytes()
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in ("YCbCr", "Gray") or height * width > (Image.MAX_IMAGE_PIXELS or 0):
            return None
        return Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
    except ValueError:
        return None
