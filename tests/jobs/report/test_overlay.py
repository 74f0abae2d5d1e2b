"""Maps over images: one scale a map, two colours where it is signed, nothing where it is not a number."""

import numpy as np
from PIL import Image

from filterscope.jobs.report.sections.overlay import SIDE, overlay, write_picture

GREY = np.full((2, 2, 3), (120, 100, 80), np.uint8)
UNDER = np.array([120, 100, 80])


def test_nothing_leaves_the_image_as_it_is():
    for values in (np.zeros((2, 2)), np.full((2, 2), np.nan), np.array([[0, np.inf], [-np.inf, np.nan]])):
        np.testing.assert_array_equal(overlay(GREY, values), GREY)


def test_the_largest_value_has_the_last_colour_whatever_the_scale():
    for scale in (1e-6, 1.0, 1e6):
        found = overlay(GREY, scale * np.array([[0, 1], [0.2, 0.4]]))
        np.testing.assert_array_equal(found[0, 0], GREY[0, 0])
        np.testing.assert_array_equal(found[0, 1], np.rint((235 * np.array([252, 230, 120]) + 20 * UNDER) / 255))
        np.testing.assert_array_equal(found[1, 0], np.rint((90 * np.array([40, 11, 84]) + 165 * UNDER) / 255))


def test_a_signed_map_is_blue_against_and_red_for_on_one_scale():
    found = overlay(GREY, np.array([[2.0, -1.0], [0, 1]])).astype(int)
    np.testing.assert_array_equal(found[1, 0], (100, 100, 100))  # grey below
    assert found[0, 0, 0] > found[1, 1, 0] > found[1, 1, 2]
    assert found[0, 1, 2] > found[0, 1, 0]
    strong, weak = (np.abs(found[at] - 100).sum() for at in ((0, 0), (1, 1)))
    assert strong > 1.5 * weak


def test_a_picture_keeps_the_proportions(tmp_path):
    write_picture(tmp_path / "wide.webp", np.zeros((16, 32, 3), np.uint8))
    with Image.open(tmp_path / "wide.webp") as picture:
        assert picture.size == (SIDE, SIDE // 2)
