"""The axes that follow an image are found in any order, and not where none do."""

from itertools import permutations

import numpy as np
import pytest

from filterscope.operators.images.axes import axes_of, quartered

ONE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3), np.uint8)
MAPS = quartered(ONE, OTHER).astype(np.float32)


def test_every_copy_has_another_quarter():
    changed = (quartered(ONE, OTHER) != ONE).any(axis=3)
    assert not changed[0].any()
    halves = (slice(4), slice(4, None)), (slice(6), slice(6, None))
    for number, (down, right) in enumerate(np.ndindex(2, 2), start=1):
        expected = np.zeros((9, 12), bool)
        expected[halves[0][down], halves[1][right]] = (ONE != OTHER).any(axis=2)[halves[0][down], halves[1][right]]
        assert np.array_equal(changed[number], expected)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_axes_are_found_in_any_order(order):
    assert axes_of(MAPS.transpose(0, *order)) == (order.index(1) + 1, order.index(2) + 1)


def heads(tokens):
    """Two heads over tokens in one axis, of which one looks a little more at the left, the other at the right."""
    right = np.tile(np.linspace(-1, 1, 12), tokens.shape[1] // 12)
    return np.stack([tokens * (1 - 0.2 * right), tokens * (1 + 0.2 * right)], axis=1)[..., None].astype(np.float32)


def test_heads_that_move_a_little_are_no_columns():
    one, other = np.random.default_rng(1).integers(0, 256, (2, 96, 12, 1), np.uint8)
    tokens = quartered(one, other).astype(np.float32).reshape(5, -1)
    outputs = heads(tokens)
    change = abs(outputs[1:] - outputs[:1]).sum((2, 3))
    share = change[:, 1] / change.sum(1)
    assert (share[[1, 3]] - share[[0, 2]] > 0.05).all()
    assert axes_of(outputs) is None


@pytest.mark.parametrize(
    "outputs",
    [
        MAPS[:, ::-1],
        np.broadcast_to(MAPS.mean((1, 2), keepdims=True), MAPS.shape),
        np.zeros_like(MAPS),
        np.where(MAPS > 250, np.float32(np.inf), MAPS),
        MAPS.reshape(5, -1, 3, 1),
    ],
    ids=["upside down", "one value everywhere", "constant", "infinite", "positions in one axis"],
)
def test_what_does_not_follow_the_image_has_no_such_axes(outputs):
    assert axes_of(outputs) is None
