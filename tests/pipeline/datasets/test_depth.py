"""16-bit images that use a fraction of their range are told, with the factor; others are not."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.depth import depth_note
from filterscope.pipeline.datasets.images import open_image
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter


def written(folder, *images, suffix=".png"):
    with DatasetWriter(folder / "data", source={}) as out:
        for number, pixels in enumerate(images):
            path = folder / f"{number}{suffix}"
            Image.fromarray(pixels).save(path)
            assert out.image(path) is not None
    return Dataset(folder / "data")


def ramp(highest, dtype=np.uint16):
    return np.linspace(0, highest, 64).astype(dtype).reshape(8, 8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("highest", "bits", "factor"), [(4095, 12, 16), (1023, 10, 64), (32767, 15, 2), (255, 8, 256)])
def test_a_fraction_of_the_range_is_told_with_the_factor(tmp_path, suffix, highest, bits, factor):
    note = depth_note(written(tmp_path, ramp(highest // 2), ramp(highest), ramp(255, np.uint8), suffix=suffix))
    assert f"no value of 2 of them is above {highest}, which fits {bits} bits, but white is 65535" in note
    assert f"multiply their values by {factor} and import" in note


def colour_png(path, pixels):
    """Write colours of 16 bits, which PIL reads but does not write: uint16 of shape (H, W, 3 or 4)."""
    height, width, bands = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[bands], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


def colour_tiff(path, pixels, *, planes=False):
    """Write colours of 16 bits: uint16 of shape (H, W, 3)."""
    height, width, _ = pixels.shape
    stored = (pixels.transpose(2, 0, 1) if planes else pixels).astype("<u2").tobytes()
    size, start = len(stored), 8
    pieces = 3 if planes else 1
    bits, offsets, counts = start + size, start + size + 6, start + size + 6 + 4 * pieces
    end = counts + 4 * pieces
    listed = [start + size // pieces * piece for piece in range(pieces)] if planes else [start]
    tables = (
        struct.pack("<3H", 16, 16, 16)
        + struct.pack(f"<{pieces}I", *listed)
        + struct.pack(f"<{pieces}I", *[size // pieces] * pieces)
    )
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, pieces, offsets if planes else start), (277, 3, 1, 3), (278, 4, 1, height),
        (279, 4, pieces, counts if planes else size), (284, 3, 1, 2 if planes else 1),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", end) + stored + tables + directory)


@pytest.mark.parametrize(("highest", "bits", "factor"), [(4095, 12, 16), (255, 8, 256)])
@pytest.mark.parametrize(("write", "bands"), [(colour_png, 3), (colour_png, 4), (colour_tiff, 3)])
def test_colours_of_16_bits_are_told_too(tmp_path, write, highest, bits, factor, bands):
    pixels = np.stack([ramp(highest)] * 3 + [ramp(65535)] * (bands - 3), axis=2)
    write(tmp_path / "a.file", pixels)
    with DatasetWriter(tmp_path / "data", source={}) as out:
        assert out.image(tmp_path / "a.file") is not None
    note = depth_note(Dataset(tmp_path / "data"))
    assert f"no value of 1 of them is above {highest}, which fits {bits} bits" in note
    assert f"multiply their values by {factor} and import" in note
    write(tmp_path / "b.file", np.full_like(pixels, 40000))
    with DatasetWriter(tmp_path / "more", source={}) as out:
        assert None not in [out.image(tmp_path / name) for name in ("a.file", "b.file")]
    assert depth_note(Dataset(tmp_path / "more")) is None


def test_colours_of_16_bits_in_planes_are_refused(tmp_path):
    """PIL would take every byte for a pixel."""
    colour_tiff(tmp_path / "a.tif", np.stack([ramp(65535)] * 3, axis=2), planes=True)
    with pytest.raises(ValueError, match=r"^a TIFF file of 16 bits with each colour in a plane of its own"):
        open_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "images",
    [
        [ramp(65535)],
        [ramp(4095), ramp(40000)],
        [ramp(10, np.uint8)],
        [ramp(0)],
        [np.zeros((8, 8, 3), np.uint8)],
    ],
)
def test_images_that_use_their_range_or_have_8_bits_are_not(tmp_path, images):
    assert depth_note(written(tmp_path, *images)) is None
