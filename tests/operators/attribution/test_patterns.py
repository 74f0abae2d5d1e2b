"""Patterns are the planted directions of signals, not the weights, and equal their slow twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.attribution.patterns import PatternSums, signal_patterns
from tests.naive.signal import pattern


def sums_of(inputs, outputs):
    """Sum inputs (n, F) of neurons with outputs (n, O)."""
    on = (outputs > 0).astype(float)
    kept = outputs * on
    return PatternSums(on.sum(0), kept.sum(0), on.T @ inputs, kept.T @ inputs)


def decorrelated(rng, signal, count):
    """Return `count` distractors, (2 n,), of which no sum with the signal (n,) is left: every signal with both signs."""
    half = rng.standard_normal((len(signal), count))
    return np.concatenate([signal, signal]), np.concatenate([half, -half])


def test_a_planted_signal_direction_is_recovered_and_the_weights_are_not_it():
    rng = np.random.default_rng(0)
    for _ in range(10):
        direction, distractors = rng.standard_normal(12), rng.standard_normal((5, 12))
        space = np.linalg.svd(distractors)[2][5:]  # orthogonal to all distractors
        weight = space.T @ rng.standard_normal(7)
        weight /= weight @ direction
        signal, noise = decorrelated(rng, rng.standard_normal(200), 5)
        inputs = signal[:, None] * direction + noise @ distractors
        outputs = inputs @ weight
        np.testing.assert_allclose(outputs, signal, atol=1e-10)
        (found,) = signal_patterns(weight[None], sums_of(inputs, outputs[:, None]))
        np.testing.assert_allclose(found, direction, atol=1e-6)
        cosine = weight @ direction / np.linalg.norm(weight) / np.linalg.norm(direction)
        assert abs(cosine) < 0.99


def test_only_what_the_rectifier_lets_through_counts():
    rng = np.random.default_rng(1)
    above, below = rng.standard_normal((2, 6))
    weight = np.linalg.lstsq(np.stack([above, below]), np.ones(2), rcond=None)[0]
    signal = rng.standard_normal(300)
    inputs = np.where(signal[:, None] > 0, signal[:, None] * above, signal[:, None] * below)
    (found,) = signal_patterns(weight[None], sums_of(inputs, signal[:, None]))
    np.testing.assert_allclose(found, above, atol=1e-10)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(-8, 8).map(float)),
    st.integers(0, 2**32 - 1),
    st.integers(-3, 3),
)
def test_it_equals_the_slow_twin(inputs, seed, bias):
    weight = np.random.default_rng(seed).integers(-4, 5, (3, inputs.shape[1])).astype(float)
    outputs = inputs @ weight.T + bias
    found = signal_patterns(weight, sums_of(inputs, outputs))
    for neuron in range(3):
        np.testing.assert_allclose(found[neuron], pattern(inputs, outputs[:, neuron], weight[neuron]), atol=1e-9)


def test_a_neuron_that_is_never_on_once_on_or_constant_has_no_pattern():
    inputs = np.array([[1.0, 2.0], [3.0, 0.1], [0.7, -1.0]])
    outputs = np.array([[-1.0, 5.0, 0.3], [-2.0, -5.0, 0.3], [0.0, -1.0, 0.3]])
    found = signal_patterns(np.ones((3, 2)), sums_of(inputs, outputs))
    assert np.array_equal(found, np.zeros((3, 2)))


def test_a_pattern_answers_its_neuron_with_one():
    rng = np.random.default_rng(2)
    weight, inputs = rng.standard_normal((4, 9)), rng.standard_normal((500, 9)) + 3
    found = signal_patterns(weight, sums_of(inputs, inputs @ weight.T))
    assert (found * weight).sum(axis=1) == pytest.approx(np.ones(4), abs=1e-12)
