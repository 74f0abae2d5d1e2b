"""Run lengths and polygons cover what pycocotools says, and malformed ones never reach it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as rle

from filterscope.pipeline.datasets.layout import encode_mask
from filterscope.pipeline.datasets.reading import BadRowError
from filterscope.pipeline.datasets.regions import RunLengths, clip_box, encode_region, read_counts


def plain_counts(mask: np.ndarray) -> list[int]:
    """Count the runs of a mask one pixel at a time."""
    counts, value = [0], False
    for pixel in mask.ravel(order="F").tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=60)))
def test_compressed_and_plain_run_lengths_give_the_mask(mask: np.ndarray) -> None:
    counts, text = plain_counts(mask), encode_mask(mask).decode()
    assert read_counts(text) == counts
    if mask.any():
        for runs in (RunLengths(size=mask.shape, counts=counts), RunLengths(size=mask.shape, counts=text)):
            np.testing.assert_array_equal(rle.decode(encode_region(runs, *mask.shape)), mask)


def test_a_large_mask_has_run_lengths_of_several_characters() -> None:
    mask = np.zeros((700, 900), bool)
    mask[3:690, 100:800] = np.random.default_rng(0).random((687, 700)) < 0.01
    assert read_counts(encode_mask(mask).decode()) == plain_counts(mask)


def test_polygons_are_united() -> None:
    squares = [[1, 1, 4, 1, 4, 3, 1, 3], [3, 2, 6, 2, 6, 4, 3, 4]]
    expected = np.zeros((5, 8), bool)
    expected[1:3, 1:4] = expected[2:4, 3:6] = True
    np.testing.assert_array_equal(rle.decode(encode_region(squares, 5, 8)), expected)


def test_a_polygon_over_the_edge_is_cut() -> None:
    assert rle.decode(encode_region([[-2, -2, 2, -2, 2, 9, -2, 9]], 5, 8)).sum() == 10


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([], "the segmentation covers no pixel of the image"),
        ([[10, 1, 12, 1, 12, 3]], "the segmentation covers no pixel of the image"),
        ([[0, 0, 5, 0, 5, 5, 1]], "a polygon has 7 numbers, an odd count"),
        ([[0, 0, 1e9, 0, 1e9, 5]], "a polygon lies far outside the image of 5 x 8 (height x width)"),
        ([[0, 0, 5, 0, 5, -6]], "a polygon lies far outside the image of 5 x 8 (height x width)"),
        (RunLengths(size=(8, 5), counts=[40]), "run lengths for 8 x 5, image 5 x 8 (height x width)"),
        (RunLengths(size=(5, 8), counts=[40]), "the segmentation covers no pixel of the image"),
        (RunLengths(size=(5, 8), counts=[10, 29]), "the run lengths add up to 39 pixels, the image has 40"),
        (RunLengths(size=(5, 8), counts=""), "the run lengths add up to 0 pixels, the image has 40"),
        (RunLengths(size=(5, 8), counts="zz"), "the run lengths have a character 'z'"),
        (RunLengths(size=(5, 8), counts="X1PO"), "the run lengths add up to 8 pixels, the image has 40"),
    ],
)
def test_what_is_malformed_says_why(segmentation: list[list[float]] | RunLengths, reason: str) -> None:
    with pytest.raises(BadRowError) as error:
        encode_region(segmentation, 5, 8)
    assert str(error.value) == reason


def test_boxes_are_cut_at_the_edges() -> None:
    assert clip_box((1, 2, 3, 4), 10, 10) == (1, 2, 4, 6)
    assert clip_box((-1, 2, 30, 4.5), 10, 9) == (0, 2, 9, 6.5)
    with pytest.raises(BadRowError, match=r"the box \[10, 2, 3, 4\] has no area inside the image of 10 x 10"):
        clip_box((10, 2, 3, 4), 10, 10)
