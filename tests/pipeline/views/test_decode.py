"""Files decode to the pixels that PIL gives, or to a reason."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filterscope.pipeline.views.decode import decode
from filterscope.pipeline.views.geometry import Geometry


def picture(seed: int, height: int, width: int) -> Image.Image:
    """Draw something with edges, gradients and noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(0, 256, (height, width, 3)) * (rng.random((height, width, 1)) < 0.1)
    return Image.fromarray(np.maximum(np.asarray(small), noise).astype(np.uint8))


def as_stored(path: Path) -> np.ndarray:
    """Decode a file at its own size."""
    with Image.open(path) as image:
        size = image.size[::-1]
    decoded = decode([path], Geometry("squash", size, max(size), "nearest"))
    assert decoded.reasons == [""]
    return decoded.pixels[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 99), st.integers(1, 70), st.integers(1, 70), st.sampled_from([10, 50, 75, 95, 100]),
    st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]), st.booleans(), st.sampled_from(["RGB", "L", "CMYK"]),
)  # fmt: skip
def test_a_jpeg_file_decodes_to_the_pixels_of_pil(
    tmp_path_factory, seed, height, width, quality, subsampling, progressive, mode
):
    path = tmp_path_factory.mktemp("jpeg") / "a.jpg"
    picture(seed, height, width).convert(mode).save(
        path, quality=quality, subsampling=subsampling, progressive=progressive
    )
    np.testing.assert_array_equal(as_stored(path), np.asarray(Image.open(path).convert("RGB")))


def test_real_photographs_decode_to_the_pixels_of_pil(test_data):
    for path in sorted((test_data / "coco128").rglob("*.jpg"))[:32]:
        np.testing.assert_array_equal(as_stored(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_file_is_rejected_with_the_reason_of_pil(tmp_path, share):
    whole = io.BytesIO()
    picture(0, 64, 64).save(whole, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole.getvalue()[: int(share * len(whole.getvalue()))])
    decoded = decode([path], Geometry("squash", (32, 32), 32, "bilinear"))
    with pytest.raises(OSError, match=r".") as expected, Image.open(path) as image:
        image.convert("RGB")
    assert decoded.reasons == [f"{expected.type.__name__}: {expected.value}".replace(str(path), path.name)]
    assert not decoded.pixels.any()


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    picture(0, 64, 64).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    [reason] = decode([path], Geometry("squash", (32, 32), 32, "bilinear")).reasons
    assert reason.startswith("DecompressionBombError")
