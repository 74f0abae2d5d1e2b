"""Relations against expectations: what is missing is a blind spot, what should not be there a failure mode."""

import numpy as np
import pytest

from filterscope.operators.bias.conflicts import KINDS, UNKNOWN, conflicts, divergence
from tests.naive import bias as naive


@pytest.mark.parametrize(
    ("mean", "deviation", "other", "spread"), [(0.9, 0.1, 0.0, 0.3), (-0.2, 0.3, 0.5, 0.1), (0, 0.2, 0, 0.2)]
)
def test_divergence_is_that_of_two_normal_distributions(mean, deviation, other, spread):
    assert divergence(mean, deviation, other, spread) == pytest.approx(
        naive.divergence(mean, deviation, other, spread), abs=1e-6
    )


def found(mean, expected, deviation=0.1, width=0.02):
    mean = np.array(mean, np.float64)
    return conflicts(mean, np.full(len(mean), deviation), mean - width, mean + width, np.array(expected, np.int8))


def kinds(mean, expected):
    return [KINDS[kind] for kind in found(mean, expected).kind]


def test_what_is_planted_is_found_and_has_the_largest_divergence():
    mean = [0.6, 0.55, 0.65, 0.7, 0.02, 0.05, 0.03, 0.9, -0.5, 0.01]
    expected = [1, 1, 1, 1, 1, 0, 0, 0, 1, UNKNOWN]
    assert kinds(mean, expected) == ["", "", "", "", "blind_spot", "", "", "failure_mode", "failure_mode", ""]
    against = found(mean, expected)
    assert np.isnan(against.divergence[-1])
    assert against.divergence[7] > 10 * max(against.divergence[5:7])
    mean[8] = 0.62
    one = found(mean, expected).divergence
    assert one[4] > 5 * max(one[[0, 1, 2, 3, 8]])
    assert against.assumed.tolist() == [False] * 5 + [True] * 3 + [False] * 2


def test_of_few_pairs_the_median_of_all_stands_for_what_is_expected():
    against = found([0.5, 0.4, -0.6, 0.1], [1, UNKNOWN, UNKNOWN, UNKNOWN])
    assert against.assumed.tolist() == [True, False, False, False]
    assert against.divergence[0] == pytest.approx(divergence(0.5, 0.1, 0.45, 0.1))


def test_the_pair_itself_does_not_count_among_those_like_it():
    against = found([0.8, 0.2, 0.3, 0.4], [1, 1, 1, 1])
    assert against.divergence[0] == pytest.approx(divergence(0.8, 0.1, 0.3, (0.1**2 + np.var([0.2, 0.3, 0.4])) ** 0.5))


def test_signs_mirror():
    mean, expected = [0.6, 0.5, 0.7, 0.1, -0.3], [1, 1, 1, 1, 1]
    assert kinds(mean, expected) == kinds([-m for m in mean], [-e for e in expected])


def test_a_relation_that_is_not_known_and_deviations_of_zero_give_no_nonsense():
    mean = np.array([np.nan, 0.5, 0.4, 0.3])
    against = conflicts(mean, np.zeros(4), mean, mean, np.array([1, 1, 0, UNKNOWN], np.int8))
    assert np.isnan(against.divergence[0])
    assert np.isfinite(against.divergence[1:3]).all()
    nothing = conflicts(mean[:1], mean[:1], mean[:1], mean[:1], np.array([1], np.int8))
    assert np.isnan(nothing.divergence).all()
