"""Choices, folds, what labels meet elsewhere and the position test equal their definitions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.dissection.anchoring import upsample
from filterscope.operators.dissection.masks import mask_block
from filterscope.operators.statistics.permutation import LEFT_OUT
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import add_overlaps, balanced_folds, best_of, overlaps, random_words
from tests.planted.labels import VALUES, draw_labels, drawn_of

#: With ties, and numbers so small that only 0 is none.
SHARES = st.sampled_from([0.0, 5e-324, 0.04, 0.5, 1.0])


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9))
def test_random_words_do_not_depend_on_the_cut(start, length, words):
    whole = random_words(7, 0, 40, words)
    np.testing.assert_array_equal(random_words(7, start, start + length, words), whole[start : start + length])


@given(hnp.arrays(float, st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(1, 3)), elements=SHARES))
def test_the_first_of_the_best_concepts_is_chosen_and_none_where_none_meets_the_unit(iou):
    found = best_of(iou)
    assert found.shape == (len(iou), iou.shape[2])
    for draw, unit in np.ndindex(*found.shape):
        own = iou[draw, :, unit].tolist()
        assert found[draw, unit] == (own.index(max(own)) if own and max(own) > 0 else -1)
    np.testing.assert_array_equal(best_of(iou[0]), found[0])


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 9))
def test_folds_are_as_large_as_they_can_be_and_split_no_key(numbers, folds):
    keys = np.array([f"{number:02}" for number in numbers], str)
    fold = balanced_folds(keys, folds)
    assert fold.shape == keys.shape
    own = {key: set(fold[keys == key].tolist()) for key in keys}
    assert all(len(found) == 1 for found in own.values())
    sizes = np.bincount([min(found) for found in own.values()], minlength=folds)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1
    # the keys alone decide, not the order of the images
    np.testing.assert_array_equal(balanced_folds(keys[::-1], folds), fold[::-1])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(9, 9), (12, 70), (7, 64), (5, 130)]), st.integers(1, 5))
def test_sums_over_draws_are_those_of_one_draw_after_another(seed, shape, draws):
    rng = np.random.default_rng(seed)
    maps = VALUES["spread"](rng, (5, 3, 4, 4)).astype(np.float16)
    labels = draw_labels(rng, 7, 3, shape)
    masks = mask_block(labels, *shape)
    drawn, axes = drawn_of(maps, np.array([0.5, 1.0, -0.5], np.float32), shape)
    source, chosen = rng.integers(LEFT_OUT, 7, (draws, 5)), rng.integers(-1, 3, (draws, 3))
    before = rng.integers(0, 100, (draws, 3))
    found = before.copy()
    add_overlaps(found, drawn, masks, source, chosen)
    up = upsample(maps, *axes) > np.array([0.5, 1.0, -0.5])[:, None, None]
    whole, none = np.ones(shape, bool), np.zeros(shape, bool)
    for draw, unit in np.ndindex(draws, 3):
        masks_of = [
            labels[giver].get(chosen[draw, unit], none) if giver != LEFT_OUT else none for giver in source[draw]
        ]
        expected = sum((up[i, unit] & (whole if m is None else m)).sum() for i, m in enumerate(masks_of))
        assert found[draw, unit] - before[draw, unit] == expected


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(9, 9), (12, 70), (7, 64), (5, 130)]))
def test_overlaps_and_shifted_overlaps_equal_their_twins(seed, shape):
    rng = np.random.default_rng(seed)
    maps = VALUES["spread"](rng, (5, 3, 4, 4)).astype(np.float16)
    threshold = np.array([0.5, 1.0, -0.5], np.float32)
    labels = draw_labels(rng, 7, 3, shape)
    masks, images = mask_block(labels, *shape), np.array([0, 2, 3, 5, 6])
    drawn, axes = drawn_of(maps, threshold, shape)
    chosen = rng.integers(-1, 3, (5, 3))
    label = rng.integers(-1, 3, 3)
    shifts = random_shifts(seed, 0, 5, 4, shape)
    assert (shifts >= 0).all()
    assert (shifts < shape).all()
    found = np.zeros((4, 3), np.int64)
    add_shifted(found, drawn, masks, images, label, shape[1], shifts)

    up = upsample(maps, *axes) > threshold[:, None, None]
    whole = np.ones(shape, bool)
    solid = [{c: whole if m is None else m for c, m in labels[number].items()} for number in images]
    none = np.zeros(shape, bool)
    expected = [[(up[i, u] & solid[i].get(chosen[i, u], none)).sum() for u in range(3)] for i in range(5)]
    np.testing.assert_array_equal(overlaps(drawn, masks, images, chosen), expected)
    shifted = np.zeros((4, 3), np.int64)
    for image in range(5):
        for unit in range(3):
            for draw in range(4):
                mask = np.roll(solid[image].get(label[unit], none), shifts[image, draw], axis=(0, 1))
                shifted[draw, unit] += (up[image, unit] & mask).sum()
    np.testing.assert_array_equal(found, shifted)
