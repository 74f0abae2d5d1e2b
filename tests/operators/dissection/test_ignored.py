"""Ignored pixels count in no sum: the tally, drawn or not, and part interpretability against their twins."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import filterscope
from filterscope.operators.dissection.activated import activated_pixels
from filterscope.operators.dissection.anchoring import resize_axis, upsample
from filterscope.operators.dissection.masks import leave_out, mask_block
from filterscope.operators.dissection.part_interpretability import Matches, add_matches, present
from filterscope.operators.dissection.scores import score
from filterscope.operators.numerics.half import settle
from filterscope.operators.statistics.permutation import category_sets, labelled_pixels
from filterscope.pipeline.engine.errors import InputError
from tests import naive
from tests.operators.dissection.test_tally import HALF, tallied
from tests.planted.labels import VALUES, draw_ignored, draw_labels, ignored_of


def drawn(rng, kind, sizes, extent, shape):
    """Maps, thresholds, categories, labels and ignored regions of all kinds."""
    maps = VALUES[kind](rng, (*sizes, *extent)).astype(np.float16)
    settle(maps)
    threshold = np.float32(rng.choice(maps.ravel(), maps.shape[1]))
    category = rng.integers(0, 3, int(rng.integers(1, 6))).tolist()
    labels = draw_labels(rng, len(maps), len(category), shape)
    return maps, threshold, category, labels, draw_ignored(rng, len(maps), category, shape)


def solid(labels, shape):
    whole = np.ones(shape, bool)
    return [{c: whole if m is None else m for c, m in image.items() if m is None or m.any()} for image in labels]


@given(
    st.sampled_from(sorted(VALUES)),
    st.tuples(st.integers(1, 5), st.integers(1, 3)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.sampled_from([1, 7, 63, 64, 65, 70])),
    st.integers(0, 2**32 - 1),
)
def test_no_sum_counts_an_ignored_pixel(kind, sizes, extent, shape, seed):
    rng = np.random.default_rng(seed)
    maps, threshold, category, labels, ignored = drawn(rng, kind, sizes, extent, shape)
    image = np.sort(rng.integers(0, rng.integers(1, 9), len(maps))) if rng.random() < 0.5 else np.arange(len(maps))
    settled = [leave_out(*both, np.array(category)) for both in zip(labels, ignored, strict=True)]
    tally, counts, areas = tallied(maps, threshold, settled, category, shape, image=image)
    scores = score(tally, counts, np.array(category))

    up = upsample(maps, resize_axis(extent[0], shape[0]), resize_axis(extent[1], shape[1]))
    pixels = [ignored_of(region, category, shape) for region in ignored]
    for unit in range(maps.shape[1]):
        activated = up[:, unit] > threshold[unit]
        expected = naive.dissection.dissect(activated, solid(labels, shape), category, image.tolist(), pixels)
        # the table unit_image keeps all activated pixels of an image, whatever is annotated
        np.testing.assert_array_equal(areas[:, unit], activated.sum(axis=(1, 2)))
        for name, found in (
            ("i", scores.intersection),
            ("a", scores.activated),
            ("g", scores.labelled),
            ("iou", scores.iou),
        ):
            np.testing.assert_array_equal(found[unit], expected[name], err_msg=name)
        np.testing.assert_array_equal(scores.association[unit], expected["association"])
        np.testing.assert_allclose(scores.lift[unit], expected["lift"], rtol=1e-12)
        np.testing.assert_allclose(scores.effective_images[unit], expected["effective"], rtol=1e-12)


def test_the_standard_error_is_that_of_the_pixels_that_count():
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((40, 6, 5, 5)).astype(np.float16)
    category, threshold = [0, 0, 1, 1], np.full(6, 0.5, np.float32)
    labels, ignored = draw_labels(rng, 40, 4, (12, 12)), draw_ignored(rng, 40, category, (12, 12))
    settled = [leave_out(*both, np.array(category)) for both in zip(labels, ignored, strict=True)]
    tally, counts, _ = tallied(maps, threshold, settled, category, (12, 12), split=[7, 8, 30])
    assert tally.lost.any()
    found = score(tally, counts, np.array(category)).standard_error
    up = upsample(maps, resize_axis(5, 12), resize_axis(5, 12)) > 0.5
    pixels = [ignored_of(region, category, (12, 12)) for region in ignored]
    expected = [
        naive.dissection.dissect(up[:, u], solid(labels, (12, 12)), category, None, pixels)["error"] for u in range(6)
    ]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-9)
    assert (found > 0).all()


@settings(max_examples=40)
@given(st.tuples(st.integers(1, 5), st.integers(1, 3)), st.integers(0, 2**32 - 1))
def test_parts_are_met_on_the_pixels_that_count(sizes, seed):
    rng, shape, iou = np.random.default_rng(seed), (9, 70), Fraction(1, 5)
    maps, threshold, category, labels, ignored = drawn(rng, "spread", sizes, (4, 5), shape)
    settled = [leave_out(*both, np.array(category)) for both in zip(labels, ignored, strict=True)]
    axes, block = (resize_axis(4, 9), resize_axis(5, 70)), mask_block(settled, *shape)
    matches = Matches.empty(maps.shape[1], len(category))
    pixels = activated_pixels(maps, maps.max(axis=(2, 3)).astype(np.float32), threshold, *axes, HALF)
    add_matches(matches, pixels, block, iou, np.array(category))
    unknown = [ignored_of(region, category, shape) for region in ignored]
    for unit, above in enumerate(np.moveaxis(upsample(maps, *axes) > threshold[:, None, None], 1, 0)):
        expected = naive.dissection.part_matches(above, solid(labels, shape), len(category), iou, unknown)
        assert matches.matched[unit].tolist() == expected
    shown = [
        sum(bool((m & ~u.get(c, np.zeros(shape, bool))).any()) for own, u in zip(solid(labels, shape), unknown, strict=True)
            for part, m in own.items() if part == c)
        for c in range(len(category))
    ]  # fmt: skip
    assert present(block, len(category)).tolist() == shown


def test_a_label_that_is_ignored_whole_leaves_its_category():
    """What is annotated in the image is known all the same: other concepts of the category have their A there."""
    label, nothing = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    category = np.array([0, 0, 1])
    block = mask_block([leave_out({0: label, 1: nothing}, {3: None, 8: label, 5: label}, category)], 4, 4)
    assert block.concept.tolist() == [3]
    assert category_sets(block, category, 2).tolist() == [[True, False]]
    assert labelled_pixels(block, [np.array([0])], 3).tolist() == [[0, 0, 0]]


def test_ignored_pixels_may_be_given_as_an_array():
    rng = np.random.default_rng(0)
    maps, masks = rng.standard_normal((12, 3, 8, 8)).astype(np.float16), rng.random((12, 2, 8, 8)) < 0.5
    half = np.zeros((12, 8, 8), bool)
    half[:, :4] = True
    for ignored in (half, np.repeat(half[:, None], 2, axis=1)):
        found = filterscope.dissect(maps, masks, quantile=0.2, ignored=ignored)
        above = maps > found.thresholds[:, None, None]
        for unit in range(3):
            for concept in range(2):
                a, g = above[:, unit, 4:], masks[:, concept, 4:]
                assert found.iou[unit, concept] == (a & g).sum() / (a | g).sum()
    # of one concept alone
    found = filterscope.dissect(
        maps, masks, quantile=0.2, ignored=half[:, None] & np.array([True, False])[:, None, None]
    )
    assert found.iou[0, 1] == filterscope.dissect(maps, masks, quantile=0.2).iou[0, 1]
    assert found.iou[0, 0] == filterscope.dissect(maps, masks, quantile=0.2, ignored=half).iou[0, 0]


@pytest.mark.parametrize("shape", [(12, 8), (12, 1, 8, 8), (11, 8, 8)])
def test_ignored_pixels_of_another_shape_are_refused(shape):
    maps, masks = np.ones((12, 3, 8, 8), np.float16), np.ones((12, 2, 8, 8), bool)
    with pytest.raises(InputError, match=r"^ignored: received bool of shape .*; expected bool of shape \(12, 8, 8\)"):
        filterscope.dissect(maps, masks, ignored=np.zeros(shape, bool))
