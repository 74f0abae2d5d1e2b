"""The survey's masks are unions of receptive fields, and part interpretability counts their matches."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.masks import mask_block, unpack
from filterscope.operators.dissection.part_interpretability import (
    PART_IOU,
    Matches,
    add_matches,
    interpretability,
    present,
)
from filterscope.operators.dissection.survey_masks import field_span, survey_pixels
from filterscope.operators.dissection.tally import half_values
from tests import naive

HALF = half_values()


def drawn_from(maps, thresholds, shape, extent, centre, stride, size):
    fields = [
        field_span(n, pixels, extent=extent[axis], centre=centre[axis], stride=stride[axis], size=size[axis])
        for axis, (n, pixels) in enumerate(zip(maps.shape[2:], shape, strict=True))
    ]
    return survey_pixels(maps, maps.max(axis=(2, 3)).astype(np.float32), thresholds, *fields, HALF)


def dense(drawn, images, units, shape):
    out = np.zeros((images, units, *shape), bool)
    for image in range(images):
        for pair in range(drawn.first[image], drawn.first[image + 1]):
            out[image, drawn.unit[pair]] = unpack(drawn.words[pair][None], shape[1])[0]
    return out


def planted(seed):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(3, 2, *rng.integers(1, 6, 2))).astype(np.float16)
    shape, extent = (int(rng.integers(1, 8)), int(rng.integers(1, 70))), tuple(rng.integers(8, 100, 2).tolist())
    centre, stride = (tuple(rng.choice(c, 2).tolist()) for c in ([-3.0, 0.0, 0.5, 7.5], [1.0, 2.0, 8.0, 32.0]))
    size = tuple(rng.integers(1, 60, 2).tolist())
    return rng, maps, shape, (extent, centre, stride, size)


@given(st.integers(0, 2**32 - 1))
def test_masks_equal_the_twin(seed):
    rng, maps, shape, geometry = planted(seed)
    thresholds = rng.choice(maps[0, 0].ravel(), 2).astype(np.float32)
    drawn = drawn_from(maps, thresholds, shape, *geometry)
    found = dense(drawn, 3, 2, shape)
    for image, unit in np.ndindex(3, 2):
        expected = naive.dissection.survey_mask(maps[image, unit], thresholds[unit], shape, *geometry)
        np.testing.assert_array_equal(found[image, unit], expected)
    np.testing.assert_array_equal(drawn.area, found.sum(axis=(2, 3))[maps.max(axis=(2, 3)) > thresholds])
    for pair, words in enumerate(drawn.words):
        for column, rows in enumerate(words):
            top, end = drawn.span[pair, column]
            lit = np.flatnonzero(rows)
            assert (top, end) == ((lit[0], lit[-1] + 1) if len(lit) else (0, 0))


def test_one_cell_draws_its_own_receptive_field():
    # VGG-16 conv5_3: stride 16, size 196, first centre 8.5 counted from 1
    maps = np.zeros((1, 1, 14, 14), np.float16)
    maps[0, 0, 6, 1] = 1
    geometry = (224, 224), (7.5, 7.5), (16.0, 16.0), (196, 196)
    drawn = drawn_from(maps, np.zeros(1, np.float32), (224, 224), *geometry)
    rows, columns = np.nonzero(dense(drawn, 1, 1, (224, 224))[0, 0])
    # centre 103.5 and 23.5; half-open boxes of 196 pixels, the columns clipped at 0
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 201, 0, 121)
    assert drawn.area[0] == 196 * 122


@given(st.integers(0, 2**32 - 1), st.sampled_from([PART_IOU, Fraction(1, 25), Fraction(0), Fraction(1, 2)]))
def test_matches_equal_the_twin_and_merge(seed, iou):
    rng, maps, shape, geometry = planted(seed)
    drawn = drawn_from(maps, np.zeros(2, np.float32), shape, *geometry)
    labels = [{part: rng.random(shape) < rng.choice([0.1, 0.5, 2.0]) for part in range(3)} for _ in range(3)]
    labels[0].pop(1)
    labels = [{part: mask for part, mask in image.items() if mask.any()} for image in labels]
    found = Matches.empty(2, 3)
    add_matches(found, drawn, mask_block(labels, *shape), iou)
    activated = dense(drawn, 3, 2, shape)
    for unit in range(2):
        assert found.matched[unit].tolist() == naive.dissection.part_matches(activated[:, unit], labels, 3, iou)
        for part in range(3):
            own = [
                naive.dissection.iou(m, image[part])
                for m, image in zip(activated[:, unit], labels, strict=True)
                if part in image
            ]
            assert found.total[unit, part] == pytest.approx(sum(own))
            assert found.largest[unit, part] == max(own, default=0)
    assert present(mask_block(labels, *shape), 3).tolist() == [sum(p in image for image in labels) for p in range(3)]


def test_the_cut_off_itself_does_not_match():
    # a mask of 1 pixel in a part of 5: IoU 0.2 exactly
    maps = np.array([[[[1.0, 0, 0, 0, 0]]]], np.float16)
    drawn = drawn_from(maps, np.zeros(1, np.float32), (1, 5), (1, 5), (0.0, 0.0), (1.0, 1.0), (1, 1))
    for pixels, expected in ((5, 0), (4, 1)):
        part = (np.arange(5) < pixels)[None]
        found = Matches.empty(1, 1)
        add_matches(found, drawn, mask_block([{0: part}], 1, 5))
        assert found.matched[0, 0] == expected


def test_interpretability_is_the_largest_share_over_parts():
    matched = np.array([[3, 2, 0], [0, 0, 0], [10, 4, 0]])
    part, share = interpretability(matched, np.array([10, 4, 0]))
    assert part.tolist() == [1, -1, 0]
    assert share.tolist() == pytest.approx([0.5, 0.0, 1.0])
