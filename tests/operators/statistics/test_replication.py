"""Held-out IoU, its bootstrap and the position test equal their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.dissection.masks import mask_block
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import Choice, bootstrap_weights, interval, overlaps, random_words
from tests.planted.labels import VALUES, draw_labels, drawn_of


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9))
def test_random_words_do_not_depend_on_the_cut(start, length, words):
    whole = random_words(7, 0, 40, words)
    np.testing.assert_array_equal(random_words(7, start, start + length, words), whole[start : start + length])


def test_bootstrap_weights_are_poisson_of_mean_one():
    weights = bootstrap_weights(3, 0, 400, 1000)
    assert weights.shape == (400, 1000)
    frequency = np.bincount(weights.ravel(), minlength=4)[:4] / weights.size
    np.testing.assert_allclose(frequency, np.exp(-1) / np.array([1, 1, 2, 6]), atol=3e-3)
    assert weights.mean() == pytest.approx(1, abs=5e-3)
    assert abs(np.corrcoef(weights[:2].astype(float))[0, 1]) < 0.1


def test_the_interval_is_that_of_resampling_with_replacement():
    rng = np.random.default_rng(0)
    common, union = rng.integers(0, 100, 200), rng.integers(100, 200, 200)
    weights = bootstrap_weights(5, 0, 200, 2000).astype(np.int64).T
    low, high = interval(np.stack([(weights @ common)[:, None], (weights @ union)[:, None]]))
    again = rng.integers(0, 200, (2000, 200))
    expected = np.quantile(common[again].sum(axis=1) / union[again].sum(axis=1), [0.025, 0.975])
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=0.03)


def test_each_fold_chooses_and_the_other_measures():
    # unit 0: concept 1 on both folds; unit 1: another on each; unit 2: none on fold 1
    intersection = np.array([[[1, 8, 0], [6, 2, 4]], [[0, 1, 0], [5, 7, 0]]])
    activated, labelled = np.full((2, 2, 3), 10), np.full((2, 2, 1), 10)
    found = Choice.of(intersection, activated, labelled)
    assert found.concept.tolist() == [[1, 0, 1], [1, 1, -1]]
    np.testing.assert_allclose(found.held_out, [[5 / 15, 1 / 19, 0], [6 / 14, 2 / 18, 0]])
    assert found.replicates(np.array([1, 1, 1]), 0.04).tolist() == [True, False, False]
    assert found.replicates(np.array([1, 1, 1]), 0.4).tolist() == [False, False, False]
    assert found.replicates(np.array([0, 1, 1]), 0.04).tolist() == [False, False, False]


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

    from filterscope.operators.dissection.anchoring import upsample

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
