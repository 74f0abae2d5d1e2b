"""The strongest views of a unit do not depend on how views come, and constant maps point nowhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.activations.peaks import NO_VIEW, Peaks, add_to_peaks
from tests import naive


def planted(seed, views, units=2, strata=3, side=2):
    """Maps with many ties and constant ones, and the strata of each view."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(-1, 3, (views, units, side, side)).astype(np.float16)
    maps[rng.random((views, units)) < 0.3] = 1.0
    maps += 0  # no negative zero
    member = rng.random((views, strata)) < 0.6
    return maps, member


def peaks_of(maps, member, numbers, keep, *, keep_constant=False):
    peaks = Peaks.empty(maps.shape[1], member.shape[1], keep)
    for block in np.array_split(numbers, 2):
        first = np.concatenate([[0], np.cumsum(member[block].sum(axis=1))])
        stratum = np.nonzero(member[block])[1].astype(np.int32)
        maxima = maps[block].max(axis=(2, 3))
        add_to_peaks(peaks, maps[block], maxima, block.astype(np.int32), first, stratum, keep_constant=keep_constant)
    return peaks


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_peaks_equal_the_twin_whatever_the_order_of_views(seed, views, keep, keep_constant):
    maps, member = planted(seed, views)
    numbers = np.random.default_rng(seed).permutation(views)
    peaks = peaks_of(maps, member, numbers, keep, keep_constant=keep_constant)
    for unit, stratum in np.ndindex(maps.shape[1], member.shape[1]):
        here = np.flatnonzero(member[:, stratum]).tolist()
        expected = naive.activations.strongest_views(maps[:, unit], here, keep, keep_constant=keep_constant)
        kept = peaks.view[unit, stratum] != NO_VIEW
        found = zip(peaks.view[unit, stratum][kept], peaks.position[unit, stratum][kept], strict=True)
        assert [(int(v), int(p)) for v, p in found] == expected
        assert peaks.constant[unit, stratum] == sum(np.ptp(maps[v, unit]) == 0 for v in here)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4))
def test_merging_equals_adding(seed, views, keep):
    maps, member = planted(seed, views)
    cuts = np.sort(np.random.default_rng(seed).integers(0, views + 1, 2))
    a, b, c = (peaks_of(maps, member, part, keep) for part in np.split(np.arange(views), cuts))
    whole = peaks_of(maps, member, np.arange(views), keep)
    for merged in ((a + b) + c, a + (b + c), (c + a) + b):
        np.testing.assert_array_equal(merged.view, whole.view)
        np.testing.assert_array_equal(merged.maximum, whole.maximum)
        np.testing.assert_array_equal(merged.constant, whole.constant)
        kept = whole.view != NO_VIEW
        np.testing.assert_array_equal(merged.position[kept], whole.position[kept])


def test_maps_of_one_position_never_point_anywhere():
    maps = np.arange(5, dtype=np.float16).reshape(5, 1, 1, 1)
    peaks = peaks_of(maps, np.ones((5, 1), bool), np.arange(5), 3)
    assert (peaks.view == NO_VIEW).all()
    assert peaks.constant[0, 0] == 5
