"""No image file makes decoding fail in another way than as a reject, and none is decoded that is too large."""

import io
import os
import struct
import tracemalloc
import zlib
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.datasets.masks import read_indices
from filterscope.pipeline.datasets.reading import BadRowError, read_rgb
from filterscope.pipeline.views.decode import decode
from filterscope.pipeline.views.geometry import Geometry
from tests.fuzz.generated import COUNTS, damaged, fuzzed

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def oriented() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(PIXELS), format="JPEG", exif=exif)


@cache
def corpus() -> dict[str, bytes]:
    rgb, grey = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])
    wide = Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300)
    frames = {"save_all": True, "append_images": [rgb.rotate(180), rgb]}
    return {
        "jpeg": encoded(rgb, format="JPEG"),
        "progressive": encoded(rgb, format="JPEG", progressive=True),
        "cmyk": encoded(rgb.convert("CMYK"), format="JPEG"),
        "oriented": oriented(),
        "png": encoded(rgb, format="PNG"),
        "grey": encoded(grey, format="PNG"),
        "palette": encoded(grey.convert("P"), format="PNG", transparency=3),
        "bits": encoded(grey.convert("1"), format="PNG"),
        "alpha": encoded(rgb.convert("RGBA"), format="PNG"),
        "16-bit": encoded(wide, format="PNG"),
        "32-bit": encoded(Image.fromarray(PIXELS[..., 0].astype(np.int32) - 9), format="TIFF"),
        "float": encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), format="TIFF"),
        "lab": encoded(Image.new("LAB", (8, 6)), format="TIFF"),
        "tiff": encoded(rgb, format="TIFF", compression="tiff_lzw"),
        "gif": encoded(rgb, format="GIF", **frames),
        "apng": encoded(rgb, format="PNG", **frames),
        "webp": encoded(rgb, format="WEBP", **frames),
        "bmp": encoded(rgb, format="BMP"),
        "ppm": encoded(rgb, format="PPM"),
        "1 x 1": encoded(Image.new("RGB", (1, 1)), format="PNG"),
    }


def png_header(width: int, height: int) -> bytes:
    """A PNG file of that size with ten rows of pixels."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(10 * (3 * width + 1)))),
        (b"IEND", b""),
    ):
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


def read_in_every_way(path, folder) -> None:
    COUNTS["images"] += 1
    for read in (read_rgb, read_indices):
        with suppress(BadRowError):
            assert read(path).dtype in (np.uint8, np.uint16)
    decoded = decode([path], Geometry("squash", (4, 4), 4, "bilinear"))
    assert not (decoded.reasons[0] and decoded.pixels.any())
    writer = DatasetWriter(folder, source={})
    with writer:
        number = writer.image(path)
    data = Dataset(folder)
    assert data.images.num_rows + data.table("rejects").num_rows == 1
    assert (number is None) == (data.images.num_rows == 0)
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


@fuzzed(2500, 60)
@given(data=st.data())
def test_damaged_images_are_read_or_rejected(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    kind = data.draw(st.sampled_from(sorted(corpus())))
    path = folder / "image.png"
    path.write_bytes(data.draw(damaged(corpus()[kind])))
    read_in_every_way(path, folder / "data")


@pytest.mark.parametrize("kind", [kind for kind in sorted(corpus()) if kind not in ("32-bit", "float")])
def test_sound_images_of_every_kind_are_read(tmp_path, kind):
    path = tmp_path / "image"
    path.write_bytes(corpus()[kind])
    assert read_rgb(path).shape == ((1, 1, 3) if kind == "1 x 1" else (6, 8, 3))
    read_in_every_way(path, tmp_path / "data")


@pytest.mark.parametrize("kind", ["gif", "apng", "webp"])
def test_of_an_animation_the_first_frame_counts(tmp_path, kind):
    path = tmp_path / "image"
    path.write_bytes(corpus()[kind])
    assert np.abs(read_rgb(path).astype(int) - PIXELS).mean() < 20


def test_sixteen_bits_become_eight_and_are_not_cut(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(corpus()["16-bit"])
    expected = (np.arange(48).reshape(6, 8) * 1300 >> 8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(read_rgb(path), expected)
    found = decode([path], Geometry("squash", (6, 8), 6, "nearest")).pixels[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["32-bit", "float"])
def test_pixels_without_black_and_white_are_rejected(tmp_path, kind):
    path = tmp_path / "image.tif"
    path.write_bytes(corpus()[kind])
    with pytest.raises(BadRowError, match="no defined black and white"):
        read_rgb(path)


def test_an_index_beyond_16_bits_does_not_wrap(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(corpus()["32-bit"])
    with pytest.raises(BadRowError, match=r"holds indices outside 0\.\.65535"):
        read_indices(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(30_000, 30_000))
    tracemalloc.start()
    for read in (read_rgb, read_indices):
        with pytest.raises(BadRowError, match="900000000 pixels"):
            read(path)
    assert "900000000 pixels" in decode([path], Geometry("squash", (4, 4), 4, "bilinear")).reasons[0]
    read_in_every_way(path, tmp_path / "data")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["page.png", "page.jpg"])
def test_a_program_in_postscript_is_not_run(tmp_path, name):
    """PIL would open it by its content and start Ghostscript."""
    path = tmp_path / name
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\n(x) (w) file\n")
    with Image.open(path) as image:
        assert image.format == "EPS"
    with pytest.raises(BadRowError, match="cannot identify"):
        read_rgb(path)
    assert decode([path], Geometry("squash", (4, 4), 4, "bilinear")).reasons[0]
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        assert writer.image(path) is None


def test_a_matlab_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    from filterscope.pipeline.datasets import matlab, pascal_part

    path = tmp_path / "bomb.mat"
    packed = zlib.compress(bytes(1 << 22))
    path.write_bytes(bytes(128) + struct.pack("<II", 15, len(packed)) + packed)
    monkeypatch.setattr(matlab, "_LARGEST", 1 << 21)
    for read in (pascal_part.read_annotation, lambda file: matlab.read_variable(file, "truth")):
        with pytest.raises(BadRowError, match="more than 2097152 bytes when decompressed"):
            read(path)


def test_a_data_set_names_no_image_outside(tmp_path):
    from filterscope.pipeline.engine.errors import InputError

    with pytest.raises(InputError, match="which leaves it"):
        Dataset(tmp_path).path("images/../../secret.png")


def test_a_damaged_data_set_says_so(tmp_path):
    from filterscope.pipeline.engine.errors import InputError

    path = tmp_path / "image.png"
    path.write_bytes(corpus()["png"])
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        writer.image(path)
    os.truncate(tmp_path / "data" / "images.parquet", 40)
    with pytest.raises(InputError, match=r"images\.parquet is missing or damaged"):
        Dataset.open(tmp_path / "data", need=None)
    (tmp_path / "data" / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"dataset\.json is damaged"):
        _ = Dataset(tmp_path / "data").identity
