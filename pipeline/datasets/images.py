"""Image files that cannot be trusted: which formats are opened at all, which way is up, and their pixels as RGB."""

from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, features

#: What is decoded. Others are not even tried: PIL would hand a PostScript file, whatever its name, to Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", *(("AVIF",) if features.check("avif") else ()))

#: Endings of names of image files, in lower case.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")

#: A damaged file makes the decoders raise almost anything; their message is the reason of the reject.
UNDECODABLE = (Exception,)

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_COLOURS = ("RGB", "RGBA", "RGBX")
#: Tags that exchange height and width.
_SIDEWAYS = (5, 6, 7, 8)


def open_image(source: Path | IO[bytes]) -> Image.Image:
    """Open an image file without decoding it; one of more pixels than PIL allows (about 179 million) is refused."""
    image = Image.open(source, formats=FORMATS)
    if image.format == "TIFF" and _samples_in_planes(image):
        image.close()
        raise ValueError(
            "a TIFF file of 16 bits with each colour in a plane of its own; save it with colours interleaved"
        )
    return image


def _samples_in_planes(image: Image.Image) -> bool:
    """Tell whether PIL would take the bytes of 16-bit colours, each in a plane of its own, for pixels of 8 bits."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    deep = image.mode in _COLOURS and max(tags.get(258, (8,))) > 8
    return deep and tags.get(284, 1) == 2 and not is_deep_colour(image)


#: How files begin that people take for images of a format that is read; HEIC and AVIF are told apart by their brand.
_STARTS = {
    b"version https://git-lfs": "a git-lfs pointer, not the file itself; run `git lfs pull`",
    b"<!DOCTYPE": "an HTML page, such as a failed download leaves", b"<html": "an HTML page, such as a failed download leaves",
    b"<svg": "an SVG drawing; export it as PNG", b"<?xml": "an XML file", b"%PDF": "a PDF; export its pictures as PNG",
    b"8BPS": "a Photoshop file; export it as PNG", b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 file; convert it to PNG",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file; convert it to PNG", b"\xff\x0a": "a JPEG XL file; convert it to PNG",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL file; convert it to PNG", b"SIMPLE  =": "a FITS file; convert it to PNG",
}  # fmt: skip
_BRANDS = {
    b"avif": "an AVIF file, which this installation of Pillow cannot decode; convert it to PNG",
    b"avis": "an AVIF file, which this installation of Pillow cannot decode; convert it to PNG",
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "a HEIC file; convert it to JPEG or PNG"),
}


def named_format(path: Path) -> str:
    """Return what a file is that cannot be opened as an image, and what to do; empty if it is not known."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            start = file.read(64)
    except (OSError, ValueError):  # such as a name that is too long
        return ""
    if start[4:8] == b"ftyp" and not (start[8:12] in (b"avif", b"avis") and "AVIF" in FORMATS):
        return _BRANDS.get(start[8:12], "")
    return next((name for begin, name in _STARTS.items() if start.lstrip().lower().startswith(begin.lower())), "")


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened image file, 1 to 8; 1, as stored, also where it has none or a damaged one.

    1 for TIFF too, where the tag belongs to the format and PIL applies it.
    """
    try:
        # PIL would decode all of a PNG file in search of a tag behind its pixels
        untagged = image.format == "TIFF" or (image.format == "PNG" and not _has_exif(image))
        tag = 1 if untagged else image.getexif().get(ExifTags.Base.Orientation, 1)
    except UNDECODABLE:
        return 1
    return tag if isinstance(tag, int) and tag in _TURN else 1


def _has_exif(image: Image.Image) -> bool:
    file: IO[bytes] | None = getattr(image, "fp", None)
    if file is None:  # decoded before, so that everything is known
        return True
    here = file.tell()
    rest = file.read()
    file.seek(here)
    return "exif" in image.info or "xmp" in image.info or b"eXIf" in rest or b"XML:com.adobe.xmp" in rest


def upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """Return an image turned by an EXIF orientation; None and 1 leave it as it is stored."""
    return image if orientation not in _TURN else image.transpose(_TURN[orientation])


def shown_size(size: tuple[int, int], orientation: int | None) -> tuple[int, int]:
    """Return height and width of an image turned by an EXIF orientation, from its `size` (width, height) as stored."""
    return size if orientation in _SIDEWAYS else (size[1], size[0])


def is_deep(image: Image.Image) -> bool:
    """Tell whether an image has 16 bits a pixel."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def is_deep_colour(image: Image.Image) -> bool:
    """Tell whether an opened colour image has 16 bits for each colour; PIL keeps the upper 8."""
    tiles = getattr(image, "tile", None)
    raw = tiles[0][3] if tiles and image.mode in _COLOURS else ""
    return ";16" in str(raw[0] if isinstance(raw, tuple) else raw)


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
