"""Sums at thresholds near T, found from those at T, are those of drawing at every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.activated import activated_pixels
from filterscope.operators.dissection.anchoring import receptive_field_axis, resize_axis
from filterscope.operators.dissection.masks import mask_block
from filterscope.operators.dissection.survey_masks import field_span, survey_pixels
from filterscope.operators.dissection.tally import half_values
from filterscope.operators.statistics.near_thresholds import add_changes
from filterscope.operators.statistics.permutation import LEFT_OUT, add_activated, add_intersections, category_sets
from tests.planted.labels import VALUES, draw_labels

CONCEPTS, CATEGORY, SLOT = 4, np.array([0, 0, 1, 1]), np.array([0, -1, 1, 2])
IMAGES, UNITS, DRAWS = 6, 3, 4


def sums_at(maps, thresholds, axes, masks, source):
    """Sums of some draws at one threshold per unit."""
    maxima = maps.max(axis=(2, 3)).astype(np.float32)
    drawn = activated_pixels(maps, maxima, thresholds, *axes, half_values())
    area = np.zeros(maxima.shape, np.int64)
    area[drawn.image, drawn.unit] = drawn.area
    intersection, activated = np.zeros((len(source), 3, UNITS), np.int64), np.zeros((len(source), 2, UNITS), np.int64)
    add_intersections(intersection, drawn, masks, SLOT, source)
    add_activated(activated, area, category_sets(masks, CATEGORY, 2), source)
    return intersection, activated


@given(
    st.sampled_from(sorted(VALUES)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.sampled_from([1, 7, 63, 64, 65, 130])),
    st.sampled_from(["resize", "field"]),
    st.integers(0, 2**32 - 1),
)
def test_changes_lead_from_t_to_the_threshold_of_each_draw(kind, size, shape, anchoring, seed):
    rng = np.random.default_rng(seed)
    maps = (VALUES[kind](rng, (IMAGES, UNITS, *size)) + 0).astype(np.float16)
    axes = tuple(
        resize_axis(n, pixels)
        if anchoring == "resize"
        else receptive_field_axis(n, pixels, extent=32, centre=3.5, stride=32 / n)
        for n, pixels in zip(size, shape, strict=True)
    )
    masks = mask_block(draw_labels(rng, IMAGES, CONCEPTS, shape), *shape)
    # images change places, and some are left out; one draw has none and no threshold
    source = np.stack([rng.permutation(IMAGES) for _ in range(DRAWS)])
    source[rng.random(source.shape) < 0.3] = LEFT_OUT
    source[-1] = LEFT_OUT
    around, near = (np.float32(rng.choice(maps.ravel(), chosen)) for chosen in (UNITS, (DRAWS, UNITS)))
    near[0, 0], near[1, 1], near[-1] = around[0], np.inf, np.inf
    intersection, activated = sums_at(maps, around, axes, masks, source)
    add_changes(
        intersection, activated, maps, maps.max(axis=(2, 3)).astype(np.float32), around, near, axes, half_values(),
        masks, SLOT, category_sets(masks, CATEGORY, 2), source,
    )  # fmt: skip
    for draw in range(DRAWS):
        expected = sums_at(maps, near[draw], axes, masks, source[draw : draw + 1])
        np.testing.assert_array_equal(intersection[draw], expected[0][0])
        np.testing.assert_array_equal(activated[draw], expected[1][0])


def test_one_pixel_between_two_thresholds_is_gained_and_lost():
    # four pixels of one row, interpolated at 0, .5, 1.5 and 2
    maps, axes = np.array([0, 2], np.float16).reshape(1, 1, 1, 2), (resize_axis(1, 1), resize_axis(2, 4))
    masks = mask_block([{0: np.array([[0, 1, 0, 1]], bool), 2: None}], 1, 4)
    around, near = np.ones(1, np.float32), np.array([[0.25], [1.75], [1.25]], np.float32)
    intersection, activated = np.zeros((3, 3, 1), np.int64), np.zeros((3, 2, 1), np.int64)
    add_changes(
        intersection, activated, maps, np.full((1, 1), 2, np.float32), around, near, axes, half_values(), masks, SLOT,
        category_sets(masks, CATEGORY, 2), np.zeros((3, 1), np.int64),
    )  # fmt: skip
    assert activated[:, :, 0].tolist() == [[1, 1], [-1, -1], [0, 0]]
    assert intersection[:, :, 0].tolist() == [[1, 1, 0], [0, -1, 0], [0, 0, 0]]


@pytest.mark.parametrize("drawing", ["interpolated", "survey"])
def test_every_image_may_have_thresholds_of_its_own(drawing):
    rng = np.random.default_rng(0)
    maps, shape = rng.normal(size=(IMAGES, UNITS, 5, 4)).astype(np.float16), (9, 70)
    maxima, thresholds = maps.max(axis=(2, 3)).astype(np.float32), np.float32(rng.choice(maps.ravel(), (IMAGES, UNITS)))

    def draw(maps, maxima, thresholds):
        if drawing == "interpolated":
            axes = resize_axis(5, shape[0]), resize_axis(4, shape[1])
            return activated_pixels(maps, maxima, thresholds, *axes, half_values())
        axes = (
            field_span(n, pixels, extent=40, centre=3.5, stride=8, size=20)
            for n, pixels in zip((5, 4), shape, strict=True)
        )
        return survey_pixels(maps, maxima, thresholds, *axes, half_values())

    found = draw(maps, maxima, thresholds)
    for image in range(IMAGES):
        alone = draw(maps[image, None], maxima[image, None], thresholds[image])
        own = slice(found.first[image], found.first[image + 1])
        assert len(alone.unit) > 0
        for name in ("unit", "area", "span", "words"):
            np.testing.assert_array_equal(getattr(found, name)[own], getattr(alone, name))
