"""Templates: their values, their sums, positions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.interpretable.templates import NOWHERE, Templates, strongest
from tests.naive import interpretable as naive


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 5), (7, 4), (14, 14)])
def test_masks_are_those_of_the_formula(shape):
    found = Templates.of(*shape)
    assert found.tau == 0.5 / (shape[0] * shape[1])
    for mu, mask in enumerate(found.masks):
        np.testing.assert_allclose(mask, naive.mask(mu, shape), atol=1e-12)


def test_a_mask_is_one_at_its_position_and_minus_one_far_away():
    masks = Templates.of(14, 14).masks
    assert (np.diagonal(masks.reshape(196, 196)) == 1).all()
    assert masks[0, 7, 7] == -1  # 14 cells away: more than half of the side
    assert masks[0, 0, 3] == pytest.approx(1 - 4 * 3 / 14)


def test_there_is_a_template_for_each_position_and_their_sums_are_those_worked_out_by_hand():
    found = Templates.of(3, 3)
    # n = 3: 1 at the position, 1 - 4/3 beside it, -1 from two cells on
    assert found.masks.sum(axis=(1, 2)).tolist() == pytest.approx(
        [
            1 + 2 * -1 / 3 - 6,
            1 + 3 * -1 / 3 - 5,
            1 + 2 * -1 / 3 - 6,
            1 - 1 - 5,
            1 - 4 / 3 - 4,
            -5,
            -5 - 2 / 3,
            -5,
            -5 - 2 / 3,
        ]
    )


@given(st.integers(0, 2**32 - 1))
def test_the_strongest_position_is_the_first_maximum_and_an_empty_map_has_none(seed):
    maps = np.random.default_rng(seed).integers(0, 3, (4, 3, 2, 3)).astype(np.float32)
    maps[0, 0] = 0
    found = strongest(maps)
    assert found[0, 0] == NOWHERE
    assert found.tolist() == [[naive.strongest(values) for values in row] for row in maps]
