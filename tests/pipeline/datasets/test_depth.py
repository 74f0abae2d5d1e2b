"""16-bit images that use a fraction of their range are told, with the factor; others are not."""

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.depth import depth_note
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
    assert f"the highest value of 2 of them is {highest}, which fits {bits} bits, but white is 65535" in note
    assert f"multiply their values by {factor} and import" in note


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
