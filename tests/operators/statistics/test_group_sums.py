"""Sums over groups are those of the groups, in whatever order and cut their images come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.statistics.group_sums import GroupSums, effective_count


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5), st.booleans())
def test_sums_and_products_are_those_of_whole_groups(seed, images, cut, shuffled):
    rng = np.random.default_rng(seed)
    names = rng.integers(0, 4, images)
    group = np.array([np.flatnonzero(names == name)[0] for name in names])
    counted, fold = rng.random(images) < 0.8, names % 3
    values = rng.integers(0, 50, (2, images, 2))
    found = GroupSums(group, counted, fold, folds=3, values=2, units=2)
    order = np.flatnonzero(counted)
    if shuffled:
        rng.shuffle(order)
    for start in range(0, len(order), cut):
        here = order[start : start + cut]
        found.add(here, values[:, here])
    sums, products = np.zeros((2, 3, 2), int), np.zeros((3, 3, 2))
    for name in set(names[counted].tolist()):
        one, other = values[:, counted & (names == name)].sum(axis=1)
        sums[:, name % 3] += [one, other]
        products[:, name % 3] += [one * one, one * other, other * other]
    np.testing.assert_array_equal(found.sums, sums)
    np.testing.assert_array_equal(found.products, products)


def test_a_sum_rests_on_as_many_groups_as_are_equally_strong():
    found = effective_count(np.array([9, 10, 0]), np.array([27.0, 82.0, 0.0]))
    assert found == pytest.approx([3, 100 / 82, 0])
