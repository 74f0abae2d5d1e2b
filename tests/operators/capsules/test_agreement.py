"""What routing selects, against loops, and where it selects nothing."""

import numpy as np
import pytest

from filterscope.operators.capsules.agreement import selection, top_type
from tests.naive import capsules as naive

CLASSES, TYPES, POSITIONS = 3, 2, 4


def drawn(seed: int, iterations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    votes = random.normal(0.3, 1, (5, CLASSES, TYPES * POSITIONS, 6))
    capsules, coupling = naive.routed(votes, np.full((CLASSES, 6), 0.1), iterations)
    return votes, coupling, capsules, random.integers(CLASSES, size=5)


def test_every_measure_is_that_of_a_loop() -> None:
    votes, coupling, capsules, truth = drawn(0, 3)
    found = selection(votes, coupling, capsules, truth, TYPES)
    for image, right in enumerate(truth):
        wrong = [label for label in range(CLASSES) if label != right]
        own = naive.agreement(votes[image, right], capsules[image, right], coupling[image, right])
        permuted = [naive.agreement(votes[image, right], capsules[image, right], coupling[image, k]) for k in wrong]
        others = [naive.agreement(votes[image, k], capsules[image, k], coupling[image, k]) for k in wrong]
        assert found.agreement[image] == pytest.approx(own)
        assert found.permuted[image] == pytest.approx(np.mean(permuted))
        assert found.other[image] == pytest.approx(np.mean(others))
        assert found.entropy[image] == pytest.approx(naive.entropy(coupling[image]))
        first = coupling[image, right, :POSITIONS].sum() / coupling[image, right].sum()
        assert found.shares[image, right].tolist() == pytest.approx([first, 1 - first])


def test_uniform_coupling_selects_nothing() -> None:
    votes, coupling, capsules, truth = drawn(1, 0)
    found = selection(votes, coupling, capsules, truth, TYPES)
    assert found.agreement == pytest.approx(found.permuted)
    assert found.entropy == pytest.approx(np.ones(5))
    assert found.shares == pytest.approx(np.full((5, CLASSES, TYPES), 1 / TYPES))


def test_routing_to_those_that_agree_shows() -> None:
    votes, coupling, capsules, truth = drawn(2, 3)
    votes[:, :, :POSITIONS] = 2.0  # of the first type all say the same
    capsules, coupling = naive.routed(votes, np.zeros((CLASSES, 6)), 1)
    coupling[np.arange(5), truth, :POSITIONS] = 0.9
    found = selection(votes, coupling, capsules, truth, TYPES)
    assert (found.agreement > found.permuted).all()


def test_capsules_of_no_length_have_no_agreement_and_raise_nothing() -> None:
    votes, coupling, capsules, truth = drawn(3, 1)
    found = selection(0 * votes, coupling, 0 * capsules, truth, TYPES)
    assert found.agreement.tolist() == [0.0] * 5


def test_the_top_type_is_that_of_the_class_beside_its_share_in_others() -> None:
    shares = np.array([[[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], [[0.4, 0.6], [0.8, 0.2], [0.7, 0.3]]])
    assert top_type(shares, 0) == (1, pytest.approx(0.7), pytest.approx((0.3 + 0.4) / 2))
