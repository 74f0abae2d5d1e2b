"""Colours have the names people give them, and the kernel equals its slow twin."""

import numpy as np
import pytest

from filterscope.operators.images.colors import COLORS, name_colors
from tests import naive

SHADES = {
    "black": [(0, 0, 0), (30, 25, 20), (0, 40, 0)],
    "blue": [(0, 0, 255), (0, 0, 128), (70, 130, 180), (135, 206, 235), (0, 255, 255)],
    "brown": [(139, 69, 19), (165, 42, 42), (160, 82, 45), (210, 180, 140)],
    "green": [(0, 255, 0), (0, 128, 0), (128, 128, 0), (34, 139, 34), (152, 251, 152)],
    "grey": [(128, 128, 128), (64, 64, 64), (192, 192, 192), (112, 128, 144)],
    "orange": [(255, 165, 0), (255, 140, 0), (255, 127, 80)],
    "pink": [(255, 192, 203), (255, 105, 180), (240, 128, 128)],
    "purple": [(128, 0, 128), (75, 0, 130), (238, 130, 238), (255, 0, 255)],
    "red": [(255, 0, 0), (220, 20, 60), (128, 0, 0)],
    "white": [(255, 255, 255), (240, 248, 255), (245, 245, 220)],
    "yellow": [(255, 255, 0), (255, 215, 0), (240, 230, 140)],
}


def named(*colors: tuple[int, int, int]) -> list[str]:
    return [COLORS[index] for index in name_colors(np.array([colors], np.uint8))[0]]


@pytest.mark.parametrize("name", COLORS)
def test_shades_have_the_name_a_person_gives_them(name: str) -> None:
    assert named(*SHADES[name]) == [name] * len(SHADES[name])


def test_there_are_eleven_basic_colours_in_order_of_name() -> None:
    assert len(COLORS) == 11
    assert list(COLORS) == sorted(SHADES)


def test_the_kernel_equals_the_table_on_random_colours_and_on_every_bound() -> None:
    rng = np.random.default_rng(0)
    near_grey = np.clip(rng.integers(0, 256, (2000, 1)) + rng.integers(-40, 41, (2000, 3)), 0, 255)
    edges = [(55, 55, 55), (56, 56, 56), (215, 215, 215), (216, 216, 216), (200, 167, 167), (200, 166, 166)]
    edges += [(176, 80, 80), (175, 44, 44), (176, 79, 79), (200, 50, 0), (255, 50, 50), (160, 120, 0), (159, 120, 0)]
    colors = np.vstack([rng.integers(0, 256, (8000, 3)), near_grey, edges]).astype(np.uint8)
    expected = [naive.images.color_name(*color) for color in colors.tolist()]
    assert named(*colors.tolist()) == expected
    assert set(expected) == set(COLORS)


def test_a_read_only_or_strided_image_gives_the_same_names() -> None:
    image = np.random.default_rng(1).integers(0, 256, (7, 10, 3), dtype=np.uint8)
    frozen = image.copy()
    frozen.flags.writeable = False
    expected = name_colors(image)
    np.testing.assert_array_equal(name_colors(frozen), expected)
    np.testing.assert_array_equal(name_colors(image[:, ::-2]), expected[:, ::-2])


def test_an_array_that_is_no_rgb_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(H, W, 3\), got float64 of shape \(2, 2, 3\)"):
        name_colors(np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match=r"got uint8 of shape \(2, 2, 4\)"):
        name_colors(np.zeros((2, 2, 4), np.uint8))
