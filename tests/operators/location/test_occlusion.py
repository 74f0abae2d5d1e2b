"""Occlusion finds the field of filters whose field is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate

from filterscope.operators.location.occlusion import (
    NOWHERE,
    Occluders,
    drops_at,
    empirical_field,
    peak_positions,
    recentre,
)
from tests import naive


def occluded_maps(image, weights, occluders):
    """Maps of a linear filter on an image and on its occluded copies, which are 0 in the box."""
    copies = [image]
    for top, left in occluders.corners:
        copy = image.copy()
        copy[top : top + occluders.side, left : left + occluders.side] = 0
        copies.append(copy)
    maps = np.stack([correlate(copy, weights, mode="constant") for copy in copies])
    return maps[0], maps[1:]


def planted_field(weights, occluders, images=6, seed=0):
    """Field of a linear filter over images with a bright spot, and the theoretical centres."""
    rng, pairs = np.random.default_rng(seed), []
    for _ in range(images):
        image = rng.uniform(0.4, 0.5, occluders.extent)
        y, x = (rng.integers(10, size - 10) for size in occluders.extent)
        image[y - 4 : y + 5, x - 4 : x + 5] = 1.0
        pairs.append(occluded_maps(image, weights, occluders))
    original, occluded = (np.stack(part) for part in zip(*pairs, strict=True))
    position = peak_positions(original)
    centres = np.stack(np.unravel_index(position, occluders.extent), axis=1).astype(float)
    return empirical_field(drops_at(original, occluded, position), occluders, centres)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_the_field_of_a_uniform_filter_is_found_within_an_occluder(side):
    found = planted_field(np.ones((5, 5)), Occluders((40, 48), side, 1))
    assert abs(found.size - 5) < side
    assert np.abs(found.offset).max() < 0.5


def test_a_single_pixel_occluder_finds_the_field_exactly():
    found = planted_field(np.ones((5, 7)), Occluders((40, 48), 1, 1))
    assert (found.area, found.size) == (35, 35**0.5)
    assert found.offset == pytest.approx((0, 0), abs=1e-9)


def test_a_filter_that_uses_a_part_of_its_window_has_that_part_as_field():
    weights = np.zeros((9, 9))
    weights[6:9, 0:3] = 1.0  # correlation: the part lies 3 below and 3 left of the centre
    found = planted_field(weights, Occluders((40, 48), 1, 1))
    assert found.area == 9
    assert found.offset == pytest.approx((3, -3), abs=0.05)


def test_a_filter_is_no_smaller_than_the_occluder_and_no_larger_than_both():
    found = planted_field(np.ones((3, 3)), Occluders((40, 48), 9, 3))
    assert 6 <= found.size <= 12


def test_half_pixel_centres_enter_the_offset():
    occluders = Occluders((8, 8), 1, 1)
    drops = np.zeros((2, 64))
    drops[0, 3 * 8 + 3] = drops[1, 4 * 8 + 5] = 1.0
    found = empirical_field(drops, occluders, np.array([[3.5, 2.5], [4.5, 4.5]]))
    assert found.area == 1
    assert found.offset == pytest.approx((-0.5, 0.5))


def test_pixels_that_less_than_half_of_the_images_show_are_no_field():
    occluders = Occluders((4, 4), 1, 1)
    drops = np.ones((3, 16))
    around = recentre(drops, occluders, np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 3.0]]))
    assert around.mean.shape == (7, 7)
    assert around.mean.sum() == 16  # the one image that is centred elsewhere adds none of its own pixels
    assert around.origin == (3.0, 3.0)


def test_maps_without_a_maximum_point_nowhere():
    maps = np.zeros((3, 2, 3), np.float32)
    maps[1, 1, 2] = maps[2, 0, 1] = maps[2, 1, 0] = 1
    assert peak_positions(maps).tolist() == [NOWHERE, 5, 1]


def test_a_unit_that_nothing_moves_has_no_field():
    occluders = Occluders((9, 9), 3, 2)
    assert empirical_field(np.zeros((2, len(occluders.corners))), occluders, np.full((2, 2), 4.0)) is None
    assert empirical_field(np.zeros((0, len(occluders.corners))), occluders, np.zeros((0, 2))) is None


def test_a_box_touches_a_rectangle_where_they_share_a_pixel():
    occluders = Occluders((10, 12), 3, 2)
    shared = []
    for top, left in occluders.corners:
        box, rectangle = np.zeros((2, 10, 12), bool)
        box[top : top + 3, left : left + 3] = rectangle[5:7, 6:9] = True
        shared.append((box & rectangle).any())
    assert occluders.touching((5, 6), (6, 8)).tolist() == shared


@given(
    extent=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    side=st.integers(1, 3),
    step=st.integers(1, 3),
    images=st.integers(1, 4),
    threshold=st.sampled_from([0.25, 0.5, 0.9]),
    seed=st.integers(0, 99),
)
def test_fields_are_those_of_the_slow_twin(extent, side, step, images, threshold, seed):
    occluders, rng = Occluders(extent, side, step), np.random.default_rng(seed)
    drops = rng.integers(0, 5, (images, len(occluders.corners))).astype(np.float32)
    centres = rng.integers(-1, np.array(extent) + 1, (images, 2)).astype(float)
    slow = naive.location.empirical_field(drops, extent, side, step, centres.astype(int), threshold)
    fast = empirical_field(drops, occluders, centres, threshold)
    assert (slow is None) == (fast is None)
    if slow is not None:
        # equal averages may fall on either side of the threshold by rounding
        assert abs(fast.area - slow[0]) <= 1
        if fast.area == slow[0]:
            assert fast.offset == pytest.approx(slow[1:], abs=1e-6)
