"""The tally equals its definition: every pixel, every image, every pair, in integers."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.activations.strongest import Strongest
from filterscope.operators.dissection.activated import activated_pixels, add_drawn_to_tally
from filterscope.operators.dissection.anchoring import Axis, resize_axis, upsample
from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.masks import mask_block, pack, unpack
from filterscope.operators.dissection.scores import score
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.operators.numerics.half import settle
from tests import naive
from tests.planted.labels import VALUES, draw_labels

HALF = half_values()


def tallied(maps, threshold, labels, category, shape, split=None, image=None):
    """Tally in blocks cut at `split`."""
    rows, columns = resize_axis(maps.shape[2], shape[0]), resize_axis(maps.shape[3], shape[1])
    cuts, image = [0, *(split or []), len(maps)], np.arange(len(maps)) if image is None else image
    sizes = maps.shape[1], len(category), max(category) + 1, shape
    tally = Tally.empty(*sizes)
    counts = Labels.empty(len(category), max(category) + 1, shape)
    areas = []
    for start, stop in pairwise(cuts):
        block = mask_block(labels[start:stop], *shape)
        part = maps[start:stop]
        maxima = part.max(axis=(2, 3)).astype(np.float32)
        own = Tally.empty(*sizes)
        args = block, np.array(category)
        areas.append(add_to_tally(own, part, maxima, threshold, *args, rows, columns, HALF, image[start:stop]))
        drawn, again = activated_pixels(part, maxima, threshold, rows, columns, HALF), Tally.empty(*sizes)
        np.testing.assert_array_equal(add_drawn_to_tally(again, drawn, *args, image[start:stop]), areas[-1])
        for name, value in vars(own).items():
            np.testing.assert_array_equal(value, getattr(again, name), err_msg=name)
        tally = own + tally
        counts.add(*args, image[start:stop])
    return tally, counts, np.concatenate(areas)


@given(
    st.sampled_from(sorted(VALUES)),
    st.tuples(st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 20), st.sampled_from([1, 7, 63, 64, 65, 70])),
    st.integers(0, 2**32 - 1),
)
def test_tally_and_scores_equal_their_twin(kind, sizes, extent, shape, seed):
    rng = np.random.default_rng(seed)
    maps = VALUES[kind](rng, (*sizes, *extent)).astype(np.float16)
    settle(maps)
    threshold = np.float32(rng.choice(maps.ravel(), maps.shape[1]))
    concepts = int(rng.integers(1, 6))
    category = rng.integers(0, 3, concepts).tolist()
    labels = draw_labels(rng, len(maps), concepts, shape)
    image = np.sort(rng.integers(0, rng.integers(1, 9), len(maps))) if rng.random() < 0.5 else np.arange(len(maps))
    tally, counts, areas = tallied(maps, threshold, labels, category, shape, image=image)
    scores = score(tally, counts, np.array(category))

    up = upsample(maps, resize_axis(extent[0], shape[0]), resize_axis(extent[1], shape[1]))
    whole = np.ones(shape, bool)
    solid = [{c: whole if m is None else m for c, m in image.items() if m is None or m.any()} for image in labels]
    for unit in range(maps.shape[1]):
        activated = up[:, unit] > threshold[unit]
        expected = naive.dissection.dissect(activated, solid, category, image.tolist())
        np.testing.assert_array_equal(areas[:, unit], activated.sum(axis=(1, 2)))
        np.testing.assert_array_equal(tally.coverage()[unit], activated.sum(axis=0))
        np.testing.assert_array_equal(scores.intersection[unit], expected["i"])
        np.testing.assert_array_equal(scores.activated[unit], expected["a"])
        np.testing.assert_array_equal(scores.labelled[unit], expected["g"])
        np.testing.assert_array_equal(scores.iou[unit], expected["iou"])
        np.testing.assert_array_equal(scores.association[unit], expected["association"])
        np.testing.assert_allclose(scores.lift[unit], expected["lift"], rtol=1e-12)
        np.testing.assert_allclose(scores.effective_images[unit], expected["effective"], rtol=1e-12)


def test_standard_error_equals_its_twin_and_is_null_under_five_effective_images():
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((40, 6, 5, 5)).astype(np.float16)
    labels = draw_labels(rng, 40, 4, (12, 12))
    category = [0, 0, 1, 1]
    threshold = np.full(6, 0.5, np.float32)
    threshold[5] = np.sort(maps[:, 5].ravel())[-3].astype(np.float32)
    tally, counts, _ = tallied(maps, threshold, labels, category, (12, 12))
    found = score(tally, counts, np.array(category)).standard_error
    up = upsample(maps, resize_axis(5, 12), resize_axis(5, 12)) > threshold[:, None, None]
    whole = np.ones((12, 12), bool)
    solid = [{c: whole if m is None else m for c, m in image.items() if m is None or m.any()} for image in labels]
    expected = np.array([naive.dissection.dissect(up[:, unit], solid, category)["error"] for unit in range(6)])
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.isnan(found[5]).all()
    assert (found[:5] > 0).all()


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), max_size=4), st.integers(0, 2**32 - 1))
def test_blocks_of_images_may_be_cut_anywhere(split, seed):
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((6, 3, 4, 4)).astype(np.float16)
    labels = draw_labels(rng, 6, 4, (9, 9))
    args = (maps, np.zeros(3, np.float32), labels, [0, 1, 1, 0], (9, 9))
    whole, cut = tallied(*args), tallied(*args, split=sorted(split))
    for a, b in zip(whole[:2], cut[:2], strict=True):
        for name, value in vars(a).items():
            np.testing.assert_array_equal(value, vars(b)[name], err_msg=name)
    np.testing.assert_array_equal(whole[2], cut[2])


def test_a_view_shown_twice_is_no_second_image():
    rng = np.random.default_rng(5)
    maps, category = rng.standard_normal((30, 4, 5, 5)).astype(np.float16), [0, 0, 1]
    labels, threshold = draw_labels(rng, 30, 3, (9, 9)), np.full(4, 0.5, np.float32)
    once = score(*tallied(maps, threshold, labels, category, (9, 9))[:2], np.array(category))
    doubled = [label for label in labels for _ in range(2)]
    image = np.repeat(np.arange(30), 2)
    maps = np.repeat(maps, 2, axis=0)
    twice = score(*tallied(maps, threshold, doubled, category, (9, 9), image=image)[:2], np.array(category))
    for name in ("iou", "association", "effective_images", "standard_error"):
        np.testing.assert_allclose(getattr(twice, name), getattr(once, name), rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(twice.intersection, 2 * once.intersection)


def test_any_axis_may_be_given():
    # every mask pixel on the same map cell, and cells without a pixel
    axis = Axis(np.array([1, 1, 1]), np.array([0.0, 0.5, 0.75]), np.array([0, 0, 3, 3]))
    maps = np.zeros((1, 1, 3, 3), np.float16)
    maps[0, 0, 1, 1], maps[0, 0, 2, 2] = 4, 2
    tally = Tally.empty(1, 1, 1, (3, 3))
    block = mask_block([{0: np.eye(3, dtype=bool)}], 3, 3)
    up = upsample(maps[0, 0], axis, axis)
    area = add_to_tally(
        tally, maps, np.array([[4.0]], np.float32), np.array([1.5], np.float32), block, np.array([0]), axis, axis, HALF
    )
    assert area[0, 0] == (up > 1.5).sum()
    assert tally.pairs[0, 0, 0] == np.trace(up > 1.5)


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(0, 2**32 - 1))
def test_taking_images_is_building_the_block_of_them(images, seed):
    labels = draw_labels(np.random.default_rng(seed), 5, 4, (9, 9))
    found = mask_block(labels, 9, 9).take(np.array(images, np.int64))
    expected = mask_block([labels[i] for i in images], 9, 9)
    for name in ("first", "concept", "area", "band"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    drawn = expected.bitmap >= 0
    np.testing.assert_array_equal(found.bitmap >= 0, drawn)
    np.testing.assert_array_equal(found.words[found.bitmap[drawn]], expected.words[expected.bitmap[drawn]])


@given(st.integers(0, 4), st.integers(1, 5), st.integers(1, 130), st.integers(0, 2**32 - 1))
def test_packing_is_undone_by_unpacking(count, rows, columns, seed):
    masks = np.random.default_rng(seed).random((count, rows, columns)) < 0.5
    words = pack(masks)
    assert words.shape == (count, -(-columns // 64), rows)
    np.testing.assert_array_equal(unpack(words, columns), masks)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_strongest_images_do_not_depend_on_blocks(images, keep, seed):
    rng = np.random.default_rng(seed)
    maxima = rng.integers(0, 3, (images, 2)).astype(np.float32)
    cut = int(rng.integers(0, images + 1))
    numbers = np.arange(images)
    blocks = [(numbers[cut:], maxima[cut:]), (numbers[:cut], maxima[:cut])]
    found = Strongest.empty(2)
    for image, maximum in blocks:
        found = found.merge(image, maximum, keep)
    for unit in range(2):
        expected = sorted(range(images), key=lambda i: (-maxima[i, unit], i))[:keep]
        assert found.image[unit].tolist() == expected
