"""Permuted annotations: who may change places, and that the null is the tally with other labels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.dissection.anchoring import upsample
from filterscope.operators.dissection.masks import mask_block, unpack
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import LEFT_OUT, Strata, add_intersections, category_sets, iou_of
from tests import naive
from tests.planted.labels import VALUES, draw_labels, drawn_of


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(VALUES)),
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.sampled_from([1, 7, 63, 64, 65, 130])),
    st.integers(0, 2**32 - 1),
)
def test_drawn_pixels_are_those_of_the_definition(kind, sizes, shape, seed):
    rng = np.random.default_rng(seed)
    maps = (VALUES[kind](rng, sizes) + 0).astype(np.float16)
    threshold = np.float32(rng.choice(maps.ravel(), sizes[1]))
    drawn, axes = drawn_of(maps, threshold, shape)
    expected = upsample(maps, *axes) > threshold[:, None, None]
    found = np.zeros_like(expected)
    image = np.repeat(np.arange(sizes[0]), np.diff(drawn.first))
    found[image, drawn.unit] = unpack(drawn.words, shape[1])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(drawn.area, expected[image, drawn.unit].sum(axis=(1, 2)))
    rows = np.arange(shape[0])
    outside = (rows < drawn.span[:, :, :1]) | (rows >= drawn.span[:, :, 1:])
    assert not drawn.words[outside].any()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_images_change_places_within_their_stratum_and_views_stay_together(rows, seed):
    rows = sorted(rows, key=lambda row: row[0])
    group = np.array([row[0] for row in rows])
    kinds = np.array([row[1:] for row in rows])
    views = np.arange(len(rows)) * 2 + 1
    strata = Strata(views, group, kinds)
    source = strata.permuted(seed)
    assert sorted(source[views]) == views.tolist()
    assert (source[::2] == LEFT_OUT).all()
    for view, giver in zip(range(len(rows)), (source[views] - 1) // 2, strict=True):
        np.testing.assert_array_equal(kinds[view], kinds[giver])
    for number in np.unique(group):
        own = np.flatnonzero(group == number)
        given_by = (source[views[own]] - 1) // 2
        assert len(np.unique(group[given_by])) == 1
        np.testing.assert_array_equal(np.diff(given_by), 1)
        assert (group == group[given_by[0]]).sum() == len(own)


def test_all_permutations_of_a_stratum_are_as_likely():
    strata = Strata(np.arange(3), np.arange(3), np.ones((3, 1), bool))
    drawn = [tuple(strata.permuted(seed_of("data", number))) for number in range(3000)]
    counts = np.array([drawn.count(order) for order in set(drawn)])
    assert len(counts) == 6
    assert ((counts - 500) ** 2 / 500).sum() < 20.5  # chi squared with 5 degrees of freedom, p = .001


def test_a_permutation_is_the_same_on_every_machine():
    strata = Strata(np.arange(8), np.arange(8), np.ones((8, 1), bool))
    assert strata.permuted(seed_of("data", 0)).tolist() == [7, 6, 3, 4, 0, 1, 2, 5]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.sampled_from([(9, 9), (12, 70)]))
def test_the_null_is_the_tally_with_permuted_labels(seed, cut, shape):
    rng = np.random.default_rng(seed)
    images, concepts, category = 8, 4, [0, 0, 1, 1]
    maps = VALUES["spread"](rng, (images, 3, 4, 5)).astype(np.float16)
    threshold = np.array([0.5, 1.0, -0.5], np.float32)
    labels = draw_labels(rng, images, concepts, shape)
    masks = mask_block(labels, *shape)
    kinds = category_sets(masks, np.array(category), 2)
    strata = Strata(np.arange(images), np.arange(images), kinds)
    source = np.stack([strata.permuted(seed_of(seed, number)) for number in range(4)])
    eligible = [0, 2, 3]
    slot = np.array([0, -1, 1, 2])
    intersection, area = np.zeros((4, 3, 3), np.int64), np.zeros((images, 3), np.int64)
    for part in (slice(0, cut), slice(cut, images)):
        drawn, axes = drawn_of(maps[part], threshold, shape)
        add_intersections(intersection, drawn, masks, slot, source[:, part])
        area[part][np.repeat(np.arange(len(drawn.first) - 1), np.diff(drawn.first)), drawn.unit] = drawn.area
    activated = (area.T @ kinds)[:, np.array(category)[eligible]].T
    labelled = np.bincount(masks.concept, masks.area, concepts).astype(np.int64)[eligible]
    best = iou_of(intersection, activated, labelled[:, None]).max(axis=1)

    up = upsample(maps, *axes) > threshold[:, None, None]
    whole = np.ones(shape, bool)
    solid = [{c: whole if m is None else m for c, m in image.items() if m is None or m.any()} for image in labels]
    for draw in range(4):
        for unit in range(3):
            expected = naive.statistics.permuted_best(up[:, unit], solid, category, eligible, source[draw].tolist())
            assert best[draw, unit] == expected


def test_images_left_out_add_nothing():
    maps = np.ones((2, 1, 2, 2), np.float16)
    drawn, _ = drawn_of(maps, np.zeros(1, np.float32), (4, 4))
    masks = mask_block([{0: np.ones((4, 4), bool)}, {0: np.eye(4, dtype=bool)}], 4, 4)
    found = np.zeros((2, 1, 1), np.int64)
    add_intersections(found, drawn, masks, np.array([0]), np.array([[LEFT_OUT, 1], [1, LEFT_OUT]]))
    assert found.ravel().tolist() == [4, 4]
