"""Steps along codes: effects as the formula says, and axes that are special only where they are planted to be."""

import numpy as np
import pytest
from scipy.stats import kstest

from filterscope.operators.codes.effects import (
    effects,
    p_values,
    q_values,
    quantile,
    random_directions,
    specificity,
    whitening,
)
from tests.naive import codes as naive

CODES = 6


def measured(mixing, seed, directions=200):
    """Return the specificity of axes and of random directions of a decoder whose factors are codes times a matrix."""
    random = np.random.default_rng(seed)
    steps, bases = np.linspace(-1, 1, 5), random.normal(size=(12, CODES))
    along = np.concatenate([np.eye(CODES), random_directions(directions, CODES, random)])
    codes = bases[None, :, None] + steps[None, None, :, None] * along[:, None, None]
    factors = codes @ mixing
    found = specificity(effects(factors + 0.02 * random.normal(size=factors.shape), steps, np.ones(CODES)).effect)
    return found[:CODES], found[CODES:]


def rotation(seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(CODES, CODES)))[0]


def test_effects_equal_the_formula():
    random = np.random.default_rng(0)
    factors, steps, scale = random.normal(size=(2, 5, 4, 3)), np.linspace(-1, 1, 4), np.array([1.0, 2.0, 0.5])
    factors[0, :, :, 0] = np.sort(factors[0, :, :, 0], axis=1)
    found = effects(factors, steps, scale)
    for direction in range(2):
        for number in range(3):
            expected = naive.effect(factors[direction, :, :, number], steps, scale[number])
            got = [column[direction, number] for column in (found.effect, found.linearity, found.monotone)]
            assert got == pytest.approx(expected)
    assert found.monotone[0, 0] == 1


def test_what_does_not_change_has_no_effect_and_no_specificity():
    found = effects(np.ones((1, 3, 5, 2)), np.linspace(-1, 1, 5), np.array([1.0, 0.0]))
    assert not found.effect.any()
    assert np.isnan(specificity(found.effect)).all()


def test_axes_that_are_factors_are_special_in_twenty_seeds():
    for seed in range(20):
        axes, random = measured(np.eye(CODES), seed)
        assert axes.min() > 0.9
        assert (q_values(p_values(axes, random)) < 0.05).all()


def test_axes_that_are_rotated_are_as_specific_as_chance_in_twenty_seeds():
    found = [(*measured(rotation(seed), seed),) for seed in range(20)]
    p = np.concatenate([p_values(*each) for each in found])
    assert kstest(p, "uniform").pvalue > 0.01
    above = sum((axes > quantile(random)).sum() for axes, random in found)
    assert above / p.size == pytest.approx(0.05, abs=0.05)
    assert np.mean([axes.mean() - random.mean() for axes, random in found]) == pytest.approx(0, abs=0.02)
    false = sum((q_values(p_values(*each)) < 0.05).any() for each in found)
    assert false <= 3


def test_a_turn_by_45_degrees_leaves_each_axis_two_factors():
    half = np.sqrt(0.5) * np.array([[1, -1], [1, 1]])
    axes, _ = measured(np.kron(np.eye(3), half), 0)
    assert axes == pytest.approx(0.5, abs=0.05)


def test_decoders_that_do_nothing_are_false_alarms_in_at_most_a_twentieth():
    false = sum((q_values(p_values(*measured(np.zeros((CODES, CODES)), seed))) < 0.05).any() for seed in range(20))
    assert false <= 3


def test_whitened_factors_are_uncorrelated_and_a_code_of_one_cause_becomes_specific():
    random = np.random.default_rng(0)
    thickness = random.normal(size=2000)
    area = thickness + 0.2 * random.normal(size=2000)
    factors = np.column_stack([area, thickness])
    matrix = whitening(factors)
    standard = (factors - factors.mean(0)) / factors.std(0)
    np.testing.assert_allclose(np.cov((standard @ matrix).T, ddof=0), np.eye(2), atol=1e-9)
    effect = np.array([[0.2, 0.0]])  # changes area alone, against what goes together in the data
    assert specificity(effect)[0] == 1
    both = np.array([[0.98, 1.0]])
    assert specificity(both)[0] == pytest.approx(0.505, abs=0.01)
    assert np.isfinite(whitening(np.column_stack([area, area, np.ones(2000)]))).all()


def test_p_counts_the_axis_among_the_directions():
    np.testing.assert_allclose(
        p_values(np.array([2.0, 0.5, np.nan]), np.array([0.1, 0.5, 1.0])), [1 / 4, 3 / 4, np.nan]
    )
    assert np.isnan(q_values(np.array([np.nan]))).all()
