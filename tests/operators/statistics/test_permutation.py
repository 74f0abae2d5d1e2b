"""Permuted annotations: who may change places, and that the null is the tally with other labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.dissection.anchoring import upsample
from filterscope.operators.dissection.masks import mask_block, unpack
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import (
    LEFT_OUT,
    Strata,
    add_activated,
    add_intersections,
    category_sets,
    iou_of,
    labelled_pixels,
)
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
    found[drawn.image, drawn.unit] = unpack(drawn.words, shape[1])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(drawn.area, expected[drawn.image, drawn.unit].sum(axis=(1, 2)))
    rows = np.arange(shape[0])
    outside = (rows < drawn.span[:, :, :1]) | (rows >= drawn.span[:, :, 1:])
    assert not drawn.words[outside].any()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
)
def test_groups_change_places_as_wholes_with_those_annotated_for_the_same(rows, seed):
    """Views of a group need not be neighbours, nor be annotated alike: what the group has in all of them counts."""
    group, kinds = np.array([row[0] for row in rows]), np.array([row[1:] for row in rows])
    views = np.arange(len(rows)) * 2 + 1
    source = Strata(views, group, kinds).permuted(seed)
    assert (source[::2] == LEFT_OUT).all()
    given_by = (source[views] - 1) // 2
    givers = []
    for number in np.unique(group):
        own = np.flatnonzero(group == number)
        (giver,) = set(group[given_by[own]].tolist())
        theirs = np.flatnonzero(group == giver)
        assert set(kinds[own].nonzero()[1]) == set(kinds[theirs].nonzero()[1])
        assert given_by[own].tolist() == [theirs[place * len(theirs) // len(own)] for place in range(len(own))]
        givers.append(giver)
    assert sorted(givers) == np.unique(group).tolist()


def test_unequal_groups_give_labels_evenly_spaced_and_in_order():
    group, kinds = np.array([0, 1, 1, 1, 1, 1]), np.ones((6, 1), bool)
    drawn = {tuple(Strata(np.arange(6), group, kinds).permuted(seed).tolist()) for seed in range(20)}
    assert drawn == {(0, 1, 2, 3, 4, 5), (1, 0, 0, 0, 0, 0)}
    group = np.array([0, 0, 1, 1, 1, 1, 1])
    drawn = {tuple(Strata(np.arange(7), group, np.ones((7, 1), bool)).permuted(seed).tolist()) for seed in range(20)}
    assert drawn == {(0, 1, 2, 3, 4, 5, 6), (2, 4, 0, 0, 0, 1, 1)}


@pytest.mark.parametrize("group", [[0, 1, 2], [0, 1, 1, 2, 1, 0]], ids=["images", "groups"])
def test_all_permutations_of_a_stratum_are_as_likely(group):
    strata = Strata(np.arange(len(group)), np.array(group), np.ones((len(group), 1), bool))
    drawn = [tuple(strata.permuted(seed_of("data", number))) for number in range(3000)]
    counts = np.array([drawn.count(order) for order in set(drawn)])
    assert len(counts) == 6
    assert ((counts - 500) ** 2 / 500).sum() < 20.5  # chi squared with 5 degrees of freedom, p = .001


def test_a_permutation_is_the_same_on_every_machine():
    strata = Strata(np.arange(8), np.arange(8), np.ones((8, 1), bool))
    assert strata.permuted(seed_of("data", 0)).tolist() == [7, 6, 3, 4, 0, 1, 2, 5]


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 7),
    st.sampled_from([(9, 9), (12, 70)]),
    st.sampled_from([range(8), [0, 1, 1, 3, 3, 3, 6, 6], [0, 1, 0, 3, 1, 1, 0, 1]]),
)
def test_the_null_is_the_tally_with_permuted_labels(seed, cut, shape, group):
    rng = np.random.default_rng(seed)
    images, concepts, category = 8, 4, [0, 0, 1, 1]
    maps = VALUES["spread"](rng, (images, 3, 4, 5)).astype(np.float16)
    threshold = np.array([0.5, 1.0, -0.5], np.float32)
    labels = draw_labels(rng, images, concepts, shape)
    masks = mask_block(labels, *shape)
    kinds = category_sets(masks, np.array(category), 2)
    strata = Strata(np.arange(images), np.array(group), kinds)
    source = np.stack([strata.permuted(seed_of(seed, number)) for number in range(4)])
    eligible = [0, 2, 3]
    slot = np.array([0, -1, 1, 2])
    intersection, activated = np.zeros((4, 3, 3), np.int64), np.zeros((4, 2, 3), np.int64)
    for part in (slice(0, cut), slice(cut, images)):
        drawn, axes = drawn_of(maps[part], threshold, shape)
        add_intersections(intersection, drawn, masks, slot, source[:, part])
        area = np.zeros((len(maps[part]), 3), np.int64)
        area[drawn.image, drawn.unit] = drawn.area
        add_activated(activated, area, kinds, source[:, part])
    labelled = labelled_pixels(masks, source, concepts)
    best = iou_of(intersection, activated[:, np.array(category)[eligible]], labelled[:, eligible, None]).max(axis=1)

    up = upsample(maps, *axes) > threshold[:, None, None]
    solid = solid_of(labels, shape)
    for draw in range(4):
        for unit in range(3):
            expected = naive.statistics.permuted_best(up[:, unit], solid, category, eligible, source[draw].tolist())
            assert best[draw, unit] == expected


def solid_of(labels, shape):
    """Labels as the naive twins take them: every mask drawn, none empty."""
    whole = np.ones(shape, bool)
    return [{c: whole if m is None else m for c, m in image.items() if m is None or m.any()} for image in labels]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_activated_and_labelled_pixels_are_counted_by_whose_labels_images_get(seed, images, draws):
    rng = np.random.default_rng(seed)
    category, shape = [0, 1, 0, 2], (6, 9)
    labels = draw_labels(rng, 7, 4, shape)
    masks = mask_block(labels, *shape)
    kinds = category_sets(masks, np.array(category), 3)
    source = rng.integers(LEFT_OUT, 7, (draws, images))
    area = rng.integers(0, 1 << 40, (images, 2))
    before = rng.integers(0, 100, (draws, 3, 2))
    activated = before.copy()
    add_activated(activated, area, kinds, source)
    labelled = labelled_pixels(masks, source, 4)
    assert (activated.dtype, labelled.dtype) == (np.int64, np.int64)
    solid = solid_of(labels, shape)
    for draw in range(draws):
        givers = [solid[number] if number != LEFT_OUT else {} for number in source[draw]]
        for number in range(3):
            here = [any(category[concept] == number for concept in image) for image in givers]
            expected = before[draw, number] + area[np.array(here, bool)].sum(axis=0)
            assert activated[draw, number].tolist() == expected.tolist()
        assert labelled[draw].tolist() == [sum(int(image[c].sum()) for image in givers if c in image) for c in range(4)]


def test_images_left_out_add_nothing():
    maps = np.ones((2, 1, 2, 2), np.float16)
    drawn, _ = drawn_of(maps, np.zeros(1, np.float32), (4, 4))
    masks = mask_block([{0: np.ones((4, 4), bool)}, {0: np.eye(4, dtype=bool)}], 4, 4)
    found = np.zeros((2, 1, 1), np.int64)
    add_intersections(found, drawn, masks, np.array([0]), np.array([[LEFT_OUT, 1], [1, LEFT_OUT]]))
    assert found.ravel().tolist() == [4, 4]
