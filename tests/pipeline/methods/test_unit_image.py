"""A unit above T on an image may activate no pixel of its mask: the peak lies between the pixels that sample the map."""

import numpy as np
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.audits import audit_here
from tests.planted import PLANTED, SIZE

IMAGES = 12


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Images with a corner as red as T; the even ones hold a redder pixel, the odd ones four of them in a square."""
    folder = tmp_path_factory.mktemp("peaks")
    with DatasetWriter(folder / "data", source={"reader": "planted"}) as out:
        red = out.concept("red", "color")
        for number in range(IMAGES):
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[:8, :8, 0] = 199
            side, top = 1 + number % 2, 12 + number - number % 2  # a mask pixel begins at even rows and columns
            pixels[top : top + side, 20 : 20 + side, 0] = 210 + number
            Image.fromarray(pixels).save(folder / f"{number}.png")
            image = out.image(folder / f"{number}.png")
            assert image is not None
            out.segment(image, red, pixels[..., 0] > 0)
    return folder / "data"


def activated(peaks, run, **settings):
    """Return the activated pixels of unit 0 on each image."""
    settings = {"models": [PLANTED], "layers": "1", "min_images": 3, **settings}
    audit_here(run, data=peaks, **settings)
    assert schemas.scan_thresholds(run).filter(unit=0).collect()["threshold"].item() == np.float16(199 / 255)
    rows = schemas.scan_unit_image(run).filter(unit=0).sort("image").collect()
    assert rows["image"].to_list() == list(range(IMAGES))
    return rows["activated"].to_list()


def test_a_peak_that_no_mask_pixel_samples_activates_none_and_keeps_its_row(peaks, tmp_path):
    # masks of half the input: every pixel averages 2 x 2 positions, of which a lone peak is a quarter
    assert activated(peaks, tmp_path / "half") == [0, 1] * (IMAGES // 2)


@pytest.mark.parametrize("anchoring", ["resize", "receptive_field"])
def test_masks_that_sample_every_position_have_no_such_row(peaks, tmp_path, anchoring):
    assert activated(peaks, tmp_path / "whole", mask_size=SIZE, anchoring=anchoring) == [1, 4] * (IMAGES // 2)
