"""Outlines fill exactly what is above the level, whatever the image."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.dissection.anchoring import resize_axis, upsample
from filterscope.operators.images.outline import TOLERANCE, map_outline, outline
from tests import naive

IMAGES = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-3, 3).map(float))
)


@given(IMAGES, st.sampled_from([-3.0, -0.5, 0.0, 1.0, 3.0]))
def test_pixels_inside_the_polygons_are_those_above_the_level(values, level):
    """At the centres of all pixels, ties at the level being outside."""
    polygons = outline(values, level, tolerance=0)
    assert np.array_equal(naive.images.inside_polygons(polygons, *values.shape), values > level)


@given(IMAGES)
def test_polygons_stay_in_the_image(values):
    for polygon in outline(values, 0.0):
        assert polygon.shape[1] == 2
        assert polygon.min() >= 0
        assert polygon.max() <= 1


def test_holes_and_islands_are_polygons_of_their_own():
    ring = np.zeros((9, 9))
    ring[1:8, 1:8] = 1
    ring[3:6, 3:6] = 0
    ring[4, 4] = 1
    assert len(outline(ring, 0.5)) == 3


def test_a_simplified_outline_stays_within_the_tolerance():
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    disc = 0.7 - np.hypot(x, y)
    (exact,), (simple,) = outline(disc, 0.0, tolerance=0), outline(disc, 0.0)
    assert len(simple) < len(exact) / 3
    ends = np.roll(simple, -1, axis=0)
    along = np.clip(((exact[:, None] - simple) * (ends - simple)).sum(-1) / ((ends - simple) ** 2).sum(-1), 0, 1)[
        ..., None
    ]
    nearest = np.linalg.norm(exact[:, None] - (simple + along * (ends - simple)), axis=-1).min(axis=1)
    assert nearest.max() * 64 <= TOLERANCE + 1e-9


def test_an_outline_is_the_region_that_the_tally_counts():
    rng = np.random.default_rng(0)
    activation = rng.normal(size=(5, 7)).astype(np.float16)
    rows, columns = resize_axis(5, 40), resize_axis(7, 40)
    above = upsample(activation, rows, columns) > 0.8
    inside = naive.images.inside_polygons(map_outline(activation, 0.8, rows, columns), 40, 40)
    assert above.any()
    assert (inside != above).mean() < 0.02


def test_nothing_above_the_level_has_no_outline():
    assert outline(np.zeros((4, 4)), 0.0) == []
    assert map_outline(np.zeros((4, 4), np.float16), 1.0, resize_axis(4, 8), resize_axis(4, 8)) == []
