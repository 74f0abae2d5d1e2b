"""Edits change a region and nothing else, as the formula says."""

import numpy as np
import pytest

from filterscope.operators.bias.edits import centre, filled, moved, pasted
from filterscope.operators.bias.order import clustered
from filterscope.operators.bias.scale import magnitudes, merged, quantile
from tests.naive import bias as naive


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    pixels, donor = rng.integers(0, 256, (2, 20, 24, 3)).astype(np.uint8)
    region = np.zeros((20, 24), bool)
    region[4:11, 6:15] = True
    region[9:13, 2:8] = True
    return pixels, donor, region


@pytest.mark.parametrize("fill", ["mask", "grey", "blur"])
def test_only_the_region_is_painted(fill, drawn):
    pixels, _, region = drawn
    found = filled(pixels, region, fill)
    np.testing.assert_array_equal(found[~region], pixels[~region])
    expected = {"grey": 128, "mask": np.rint(pixels[region].mean(axis=0))}
    if fill in expected:
        assert (found[region] == expected[fill]).all()
    else:
        assert found[region].std() < pixels[region].std() / 4


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-30, 40)])
def test_a_paste_equals_the_formula(shift, drawn):
    pixels, donor, region = drawn
    found = pasted(pixels, region, donor, shift)
    np.testing.assert_array_equal(found, naive.pasted(pixels, region, donor, shift))
    np.testing.assert_array_equal(found[~region], pixels[~region])


def test_pasting_an_image_into_itself_changes_nothing(drawn):
    pixels, _, region = drawn
    np.testing.assert_array_equal(pasted(pixels, region, pixels, (0, 0)), pixels)


def test_a_moved_region_has_its_shape_at_the_place_of_its_seed(drawn):
    region = drawn[2]
    assert moved(region, 3).sum() == region.sum()
    np.testing.assert_array_equal(moved(region, 3), moved(region, 3))
    assert any((moved(region, seed) != region).any() for seed in range(3))
    assert centre(region) == (8, 8)


def test_tied_attributes_stand_side_by_side():
    relation = np.eye(6)
    for one, other in ((0, 4), (1, 5), (2, 3)):
        relation[one, other] = relation[other, one] = 0.9
    order = clustered(relation).tolist()
    assert sorted(order) == list(range(6))
    for one, other in ((0, 4), (1, 5), (2, 3)):
        assert abs(order.index(one) - order.index(other)) == 1
    assert clustered(np.full((2, 2), np.nan)).tolist() == [0, 1]


@pytest.mark.parametrize("cut", [1, 3])
def test_the_scale_is_the_quantile_whatever_the_blocks(cut):
    values = np.random.default_rng(4).normal(0, 1e-5, 4000).astype(np.float32)
    found = quantile(merged([magnitudes(part) for part in np.array_split(values, cut)]))
    expected = np.quantile(np.abs(values), 0.995, method="inverted_cdf")
    assert expected <= found <= expected * (1 + 1 / 64)
    assert quantile(merged([])) == 0
    assert quantile(merged([magnitudes(np.zeros(5, np.float32))])) == 0
