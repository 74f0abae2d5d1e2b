"""Q values equal their definition and are calibrated; steadiness is the share that a permutation leaves in place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.statistics.significance import significance, steadiness
from tests import naive

IOU = st.sampled_from([0.0, 0.01, 0.03, 0.04, 0.05, 0.1, 0.4])


@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.lists(IOU, min_size=n, max_size=n), min_size=2, max_size=6)))
def test_q_values_equal_their_twin(rows):
    found = significance(np.array(rows[0]), np.array(rows[1:]))
    expected = naive.statistics.q_values(rows[0], rows[1:])
    np.testing.assert_allclose(found.q_value, expected, rtol=1e-12)
    passing = [value for value, q in zip(rows[0], found.q_value, strict=True) if q <= 0.05]
    assert found.calibrated_cutoff == (min(passing) if passing else None)


def test_a_clear_layer_passes_and_a_chance_one_does_not():
    rng = np.random.default_rng(0)
    null = rng.random((50, 100)) * 0.05
    clear = significance(np.concatenate([np.full(40, 0.2), null[0, 40:]]), null[1:])
    assert (clear.q_value[:40] < 0.05).all()
    assert (clear.q_value[40:] < 0.05).sum() <= 4
    assert clear.calibrated_cutoff <= 0.2
    chance = significance(null[0], null[1:])
    assert chance.calibrated_cutoff is None


def test_no_unit_has_no_cut_off():
    found = significance(np.zeros(0), np.zeros((50, 0)))
    assert found.calibrated_cutoff is None
    assert len(found.q_value) == 0


def test_steadiness_is_the_overlap_of_masks_with_those_of_other_images():
    rng = np.random.default_rng(1)
    masks = rng.random((6, 2, 5, 5)) < 0.5
    masks[:, 1] = masks[0, 1]
    coverage, pixels = masks.sum(axis=0).astype(np.int32), masks.sum(axis=(0, 2, 3))
    found = steadiness(coverage, pixels, np.array([6, 6]))
    shared = sum((masks[i, 0] & masks[j, 0]).sum() for i in range(6) for j in range(6) if i != j)
    assert found[0] == shared / (5 * pixels[0])
    assert found[1] == 1.0
    assert steadiness(np.zeros((1, 2, 2), np.int32), np.array([0]), np.array([0]))[0] == 0
