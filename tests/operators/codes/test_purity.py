"""Values of a choice are matched with classes as brute force does, and noise is as pure as permuted images."""

from itertools import permutations

import numpy as np
import pytest

from filterscope.operators.codes.purity import purity


def random(seed=0):
    return np.random.default_rng(seed)


def brute(counts):
    """Return the most images that agree under any one-to-one matching."""
    values, classes = counts.shape
    if values > classes:
        return brute(counts.T)
    return max(
        sum(counts[value, own] for value, own in enumerate(order)) for order in permutations(range(classes), values)
    )


@pytest.mark.parametrize("size", [(3, 3), (2, 5), (5, 2), (4, 4)])
def test_the_matching_is_the_best_of_all(size):
    draw = random(sum(size))
    values, classes = (draw.integers(0, count, 40) for count in size)
    found = purity(values, classes, size, random())
    assert found.counts.sum() == 40
    assert found.counts[values[0], classes[0]] == ((values == values[0]) & (classes == classes[0])).sum()
    assert found.purity == brute(found.counts) / 40
    known = found.matched[found.matched >= 0]
    assert len(set(known.tolist())) == len(known) == min(size)


def test_a_choice_that_is_the_class_under_other_names_is_pure_and_noise_is_not():
    draw = random(1)
    classes = draw.integers(0, 10, 2000)
    renamed = purity(draw.permutation(10)[classes], classes, (10, 10), random())
    assert renamed.purity == 1
    assert renamed.null == pytest.approx(0.13, abs=0.02)  # a tenth, and what the best of the matchings gains
    noise = [purity(draw.integers(0, 10, 2000), classes, (10, 10), random(seed)) for seed in range(20)]
    assert np.mean([one.purity - one.null for one in noise]) == pytest.approx(0, abs=0.004)


def test_two_values_of_one_class_are_matched_with_different_classes():
    """One that splits a class in two is not pure, though every value has one class."""
    values = np.repeat([0, 1, 2], 10)
    found = purity(values, np.repeat([0, 0, 1], 10), (3, 2), random())
    assert found.purity == pytest.approx(2 / 3)
    assert sorted(found.matched.tolist()) == [-1, 0, 1]


def test_no_images_have_no_purity():
    none = np.zeros(0, int)
    assert np.isnan(purity(none, none, (2, 2), random()).purity)
