"""Overlap and rarefaction against counting every case."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from filterscope.operators.statistics.comparison import overlap, rarefied
from tests import naive

SETS = st.integers(0, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n)))


@given(SETS)
def test_overlap_is_counted_over_all_choices(sizes):
    eligible, one, other = sizes
    shared = [len(set(range(one)) & set(choice)) for choice in combinations(range(eligible), other)]
    for count in range(max(0, one + other - eligible), min(one, other) + 1):
        found = overlap(eligible, one, other, count)
        assert found.expected == pytest.approx(sum(shared) / len(shared))
        assert found.p_more == pytest.approx(sum(s >= count for s in shared) / len(shared))


def test_overlap_is_scipys_hypergeometric():
    assert overlap(1197, 300, 280, 90).p_more == pytest.approx(hypergeom(1197, 300, 280).sf(89), rel=1e-9)


@given(st.lists(st.integers(1, 3), max_size=4), st.integers(0, 3), st.data())
def test_rarefaction_is_the_mean_over_all_draws(labelled, bare, data):
    units = sum(labelled) + bare
    drawn = data.draw(st.integers(0, min(units, 6)))
    assert rarefied(units, labelled, drawn) == pytest.approx(naive.statistics.rarefied(labelled, bare, drawn))


def test_rarefying_to_all_units_changes_nothing():
    assert rarefied(512, [40, 3, 1], 512) == 3.0


@pytest.mark.parametrize("counts", [(5, 3, 3, 0), (5, 6, 2, 1), (5, 3, 2, 3)])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match="cannot be"):
        overlap(*counts)


@pytest.mark.parametrize(("units", "labelled", "drawn"), [(3, [2, 2], 1), (3, [1], 4)])
def test_draws_that_cannot_be_are_refused(units, labelled, drawn):
    with pytest.raises(ValueError, match="cannot be"):
        rarefied(units, labelled, drawn)
