"""Decode image files into network inputs; what cannot be decoded is reported, not raised."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from filterscope.pipeline.datasets.images import UNDECODABLE, as_rgb, open_image, upright
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.sharing import shared
from filterscope.pipeline.stores.packs import expect
from filterscope.pipeline.stores.places import StoreError
from filterscope.pipeline.views.geometry import WHOLE, Geometry, Window
from filterscope.pipeline.views.views import Views

#: Pixels of an image that is kept for another network: 64 of them take 200 MB.
_SMALL = 1 << 20

#: Images that are read together where all are looked at.
_EXPECTED = 64

#: Reasons of an image whose bytes are not those that the data set was made of.
CHANGED = "the file is not the one that was imported (its SHA-256 differs)"
GONE = "the file is gone"


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
    digests: Sequence[str] | None = None,
    orientations: Sequence[int | None] | None = None,
) -> Decoded:
    """Decode image files in the given geometry.

    Parameters
    ----------
    paths : sequence of Path
        The files; consecutive equal ones share a read.
    geometry : Geometry
        How an image is fitted to the input.
    windows : sequence of Window, optional
        What to show of each, turned upright; all of it by default.
    digests : sequence of str, optional
        SHA-256 that the bytes of each file must have, hexadecimal; else it is rejected as `CHANGED` or `GONE`.
    orientations : sequence of int, optional
        EXIF orientation by which each is turned (`images.orientation` of the data set); None: as stored.
    """
    pixels = np.zeros((len(paths), *geometry.size, 3), np.uint8)
    reasons: list[str] = []
    known: Path | None = None
    none: list[None] = [None] * len(paths)
    expect(paths)
    rows = zip(pixels, paths, windows or [WHOLE] * len(paths), digests or none, orientations or none, strict=True)
    for row, path, window, digest, orientation in rows:
        if path != known:
            known, image = path, _image(path, digest or "", orientation)
        if isinstance(image, str):
            reasons.append(image)
        else:
            row[:] = geometry.image(image, window)
            reasons.append("")
    return Decoded(pixels, reasons)


def decode_views(dataset: Dataset, views: Views, chosen: Sequence[int], geometry: Geometry) -> Decoded:
    """Decode the chosen views of a data set, each from the very file that was imported, and turned as it was then."""
    images = views.image[list(chosen)]
    paths = dataset.files(images)
    digests, turned = (dataset.images[name].take(images).to_pylist() for name in ("sha256", "orientation"))
    windows = tuple(views.window(view) for view in chosen)
    key = (tuple(paths), tuple(digests), tuple(turned), windows, geometry)
    return shared(key, lambda: decode(paths, geometry, windows, digests, turned))


def view_files(dataset: Dataset, images: np.ndarray) -> list[str]:
    """Return where the files of the given images lie, relative to the data set, in that order."""
    return dataset.images["uri"].take(images).to_pylist()


def altered_images(dataset: Dataset) -> Iterator[tuple[Path, str]]:
    """Yield the image files of a data set that are not those that were imported, and the reason; reads every file."""
    digests = dataset.images["sha256"].to_pylist()
    for start in range(0, len(digests), _EXPECTED):
        paths = dataset.files(range(start, min(start + _EXPECTED, len(digests))))
        expect(paths)
        yield from _altered(paths, digests[start : start + _EXPECTED])


def _altered(paths: Sequence[Path], digests: Sequence[str]) -> Iterator[tuple[Path, str]]:
    for path, digest in zip(paths, digests, strict=True):
        try:
            reason = "" if hashlib.sha256(path.read_bytes()).hexdigest() == digest else CHANGED
        except FileNotFoundError:
            reason = GONE
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror}"
        if reason:
            yield path, reason


def _image(path: Path, digest: str, orientation: int | None) -> Image.Image | str:
    """Load an image, or take it from another network that is shown it too and wants another size."""
    return shared(
        (path, digest, orientation), lambda: _load(path, digest, orientation),
        keep=lambda image: not isinstance(image, str) and image.width * image.height <= _SMALL,
    )  # fmt: skip


def _load(path: Path, digest: str, orientation: int | None) -> Image.Image | str:
    """Return the decoded image in RGB, or why it cannot be decoded."""
    file = io.BytesIO()
    try:
        data = path.read_bytes()
        if digest and hashlib.sha256(data).hexdigest() != digest:
            return CHANGED
        jpeg = _load_jpeg(data)
        if jpeg is not None:
            return upright(jpeg, orientation)
        file = io.BytesIO(data)
        with open_image(file) as image:
            return upright(as_rgb(image), orientation)
    except StoreError:
        raise  # the image may be sound: what a store does not give is no reject
    except UNDECODABLE as error:
        if digest and isinstance(error, FileNotFoundError):
            return GONE
        return f"{type(error).__name__}: {error}".replace(str(path), path.name).replace(repr(file), repr(path.name))


def _load_jpeg(data: bytes) -> Image.Image | None:
    """Return a plain JPEG file decoded to the pixels that PIL gives, faster; None leaves the file, and the verdict, to PIL."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in ("YCbCr", "Gray") or height * width > (Image.MAX_IMAGE_PIXELS or 0):
            return None
        return Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
    except ValueError:
        return None
