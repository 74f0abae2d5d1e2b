"""Entropy of trees by category, and agreement beside that of different boxes."""

import numpy as np
import pytest
from scipy.stats import entropy

from filterscope.operators.parses.agreement import agreement, entropies
from tests.naive import parses as naive


def test_entropies_are_those_of_scipy():
    rng = np.random.default_rng(0)
    tree, category = rng.integers(0, 5, 60), rng.integers(0, 3, 60)
    expected = [entropy(np.bincount(tree[category == one]), base=2) for one in range(3)]
    assert entropies(tree, category, 4).tolist() == pytest.approx([*expected, 0])


def test_agreement_is_the_definition_and_chance_that_of_other_boxes():
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 4, (2, 30))
    assert agreement(one, other) == pytest.approx(naive.agreement(one.tolist(), other.tolist()))
    assert agreement(one, one)[0] == 1
    assert np.isnan(agreement(one[:0], other[:0])).all()
    assert np.isnan(agreement(one[:1], other[:1])[1])
