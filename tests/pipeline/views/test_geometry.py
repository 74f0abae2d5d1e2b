"""Image and masks go through one geometry: a marked pixel stays where its mask is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filterscope.pipeline.views.geometry import Geometry, Window
from tests import naive


def squash(size, interpolation="nearest"):
    return Geometry("squash", (size, size), size, interpolation)


def marked(height, width, row, column, block):
    """A black image with one white block, and its mask."""
    mask = np.zeros((height, width), bool)
    mask[row : row + block, column : column + block] = True
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).convert("RGB"), mask


@pytest.mark.parametrize(("height", "width"), [(300, 500), (500, 300), (97, 401)])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_marked_corner_is_the_same_in_image_and_mask_when_squashed(height, width, corner):
    row, column = corner[0] * (height - 40), corner[1] * (width - 40)
    image, mask = marked(height, width, row, column, 40)
    geometry = squash(64)
    seen = geometry.image(image)[:, :, 0] > 127
    np.testing.assert_array_equal(geometry.mask(mask, (64, 64)), seen)
    assert seen[corner[0] * 63, corner[1] * 63]


@pytest.mark.parametrize(("height", "width"), [(256, 256), (256, 400), (400, 256)])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_marked_corner_of_the_crop_is_the_same_in_image_and_mask(height, width, corner):
    """The centre 224 of 256 begins at (16, 16) of a square image, at the middle of a longer side."""
    top, left = (height - 224) // 2, (width - 224) // 2
    image, mask = marked(height, width, top + corner[0] * 216, left + corner[1] * 216, 8)
    geometry = Geometry("crop", (224, 224), 256, "nearest")
    seen = geometry.image(image)[:, :, 0] > 127
    np.testing.assert_array_equal(geometry.mask(mask, (224, 224)), seen)
    assert seen.sum() == 64
    assert seen[corner[0] * 223, corner[1] * 223]
    outside, hidden = marked(height, width, 0, 0, 8)
    assert not geometry.image(outside).any()
    assert not geometry.mask(hidden, (224, 224)).any()


@pytest.mark.parametrize(("height", "width"), [(333, 500), (500, 333), (640, 480), (100, 90)])
def test_crop_equals_torchvision(height, width):
    from filterscope.pipeline.models.vision import torchvision

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    transforms = torchvision.transforms.Compose(
        [torchvision.transforms.Resize(256), torchvision.transforms.CenterCrop(224)]
    )
    np.testing.assert_array_equal(
        Geometry("crop", (224, 224), 256, "bilinear").image(image), np.asarray(transforms(image))
    )


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_squashed_masks_take_the_label_at_the_centre_of_each_pixel(height, width, size, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    np.testing.assert_array_equal(
        squash(2 * size).mask(mask, (size, size)), naive.dissection.sample_mask(mask, size, size)
    )


def test_squashed_masks_do_not_depend_on_the_input_size():
    assert squash(224).mask_key == squash(299).mask_key
    assert Geometry("crop", (224, 224), 256, "bilinear").mask_key == "crop-256-224x224"


@pytest.mark.parametrize(
    ("geometry", "window", "seen"),
    [
        (squash(64), Window(), (0, 0, 500, 300)),
        (squash(64), Window((100, 30, 300, 90), flip=True), (100, 30, 200, 60)),
        (squash(64), Window((400, 30, 600, 90)), (400, 30, 100, 60)),  # a box that leaves the image
        (Geometry("crop", (150, 150), 300, "nearest"), Window(), (175, 75, 150, 150)),
        (Geometry("crop", (40, 40), 60, "nearest"), Window((100, 30, 300, 90)), (180, 40, 40, 40)),
    ],
)
def test_what_is_seen_of_an_image_is_where_its_masks_are_sampled(geometry, window, seen):
    left, top, wide, high = geometry.seen(300, 500, window)
    assert (left, top, wide, high) == pytest.approx(seen)
    rows, columns = geometry.positions((300, 500), (10, 10), window)
    columns = columns[::-1] if window.flip else columns
    np.testing.assert_array_equal(rows, np.floor(top + (np.arange(10) + 0.5) * high / 10))
    np.testing.assert_array_equal(columns, np.floor(left + (np.arange(10) + 0.5) * wide / 10))
