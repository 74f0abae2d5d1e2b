"""Sketches tell values apart that differ by more than noise, and are blind to less."""

import numpy as np
import pytest

from filterscope.operators.numerics.sketch import alike, sketch

VALUES = np.random.default_rng(1).normal(size=(2, 3, 40))


def test_a_sketch_is_the_norm_and_eight_signed_sums():
    norm, *sums = sketch(VALUES)
    assert norm == pytest.approx(np.linalg.norm(VALUES))
    signs = (
        2.0 * np.unpackbits(np.random.default_rng(240).integers(0, 256, 240, np.uint8)[None], axis=0, bitorder="little")
        - 1
    )
    assert sums == pytest.approx(signs @ VALUES.ravel() / norm)


def test_noise_is_alike_and_other_values_are_not():
    noisy = VALUES * (1 + 1e-5 * np.random.default_rng(2).normal(size=VALUES.shape))
    assert alike(sketch(VALUES), sketch(noisy), 1e-3)
    for other in (-VALUES, VALUES[::-1].copy(), np.abs(VALUES), VALUES * 1.01):
        assert not alike(sketch(VALUES), sketch(other), 1e-3)


def test_what_is_not_finite_is_not_known_and_like_any():
    assert sketch(np.array([1.0, np.nan])) == sketch(np.array([np.inf])) == ()
    assert alike((), sketch(VALUES), 1e-3)


def test_zeros_are_alike_and_like_nothing_else():
    zeros = sketch(np.zeros(4))
    assert zeros == (0.0,) * 9
    assert alike(zeros, zeros, 1e-3)
    assert not alike(zeros, sketch(np.full(4, 1e-9)), 1e-3)
