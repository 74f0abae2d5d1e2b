"""Obedience tells a rule that holds from one that holds as often as by chance, and counts what breaks it."""

import numpy as np
import pytest

from filterscope.operators.rules.obedience import obedience

DRAWS = 199


def permutations(count, draws=DRAWS):
    rng = np.random.default_rng(1)
    return [rng.permutation(count) for _ in range(draws)]


def test_by_hand():
    """Of four views two break the rule; the null of four rotations is counted out."""
    one, other = np.array([1.0, 1, 0, 0]), np.array([1.0, 0.25, 0, 1])
    found = obedience(one, other, [np.roll(np.arange(4), k) for k in (1, 2, 3)])
    assert found.truth == pytest.approx((1 + 0.25 + 1 + 1) / 4)
    assert found.violations == 1
    rolled = [(1 + 1 + 2) / 4, (0 + 1 + 2) / 4, (0.25 + 0 + 2) / 4]
    assert found.null == pytest.approx(np.mean(rolled))
    assert found.p_value == (1 + 1) / 4
    assert found.lift == pytest.approx((found.truth - found.null) / (1 - found.null))


def test_a_rule_that_always_holds_stands_out_and_one_of_chance_does_not():
    rng = np.random.default_rng(0)
    cause, free = rng.integers(0, 2, (2, 400)).astype(float)
    held = obedience(cause, cause, permutations(400))
    assert (held.truth, held.violations, held.lift) == (1, 0, 1)
    assert held.p_value == 1 / (1 + DRAWS)
    chance = obedience(cause, free, permutations(400))
    assert chance.p_value > 0.05
    assert abs(chance.lift) < 0.2
    against = obedience(cause, 1 - cause, permutations(400))
    assert against.p_value == 1
    assert against.lift < -0.5


def test_p_is_as_likely_small_as_it_says_where_nothing_is_to_be_found():
    rng = np.random.default_rng(2)
    p = [obedience(*rng.random((2, 40)), permutations(40, 39)).p_value for _ in range(400)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_without_consequent_or_anything_untrue_there_is_no_lift():
    alone = obedience(None, np.array([1.0, 0.2]), [])
    assert (alone.truth, alone.violations) == (0.6, 1)
    assert np.isnan([alone.null, alone.p_value, alone.lift]).all()
    assert np.isnan(obedience(np.zeros(9), np.zeros(9), permutations(9, 19)).lift)
