"""The influence of a group is the sum of its members', and near what leaving it out does; what may go is what leaves a head."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.influence.groups import group_influence, pull, random_group, removable, without_group
from filterscope.operators.influence.head import train
from filterscope.operators.influence.hessian import Hessian
from tests import naive
from tests.planted.influence import gaussians


def split(data, train_count):
    rows = np.arange(len(data.y))
    return data.take(rows[:train_count]), data.take(rows[train_count:])


def test_it_is_the_sum_over_the_members():
    data, test = split(gaussians(0, n=34, features=3, classes=3), 30)
    head, members = train(data, 0.05), np.array([3, 4, 9, 20])
    hessian = Hessian(data, head, 0.1)
    found = group_influence(hessian, hessian.solved(pull(head, data, members)[None], "exact")[0], test)
    for row in range(4):
        each = naive.influence.influence(
            head.weights, data.x, data.y, 0.05, (test.x[row], int(test.y[row])), hessian.added
        )
        assert found[row] == pytest.approx(naive.influence.group(each, members.tolist()), rel=1e-5, abs=1e-9)


def test_a_planted_group_does_what_is_predicted_and_a_random_one_next_to_nothing():
    """A twentieth of the views has wrong labels: without them all test losses fall, as predicted."""
    data, test = split(gaussians(2, n=1500, features=6, apart=0.8), 1000)
    y = data.y.copy()
    wrong = np.arange(0, 1000, 20)
    y[wrong] = 1 - y[wrong]
    data = data.labelled(y)
    head = train(data, 0.01)
    hessian = Hessian(data, head, 0.0)
    control = random_group(y, np.arange(1000), len(wrong), np.random.default_rng(0))
    mean = {}
    for name, rows in (("wrong", wrong), ("random", control)):
        solved = hessian.solved(pull(head, data, rows)[None], "exact")[0]
        predicted = group_influence(hessian, solved, test)
        other = without_group(head, data, rows)
        actual = other.losses(test) - head.losses(test)
        assert other.gradient <= 1e-9
        assert np.corrcoef(predicted, actual)[0, 1] >= 0.99
        mean[name] = predicted.mean(), actual.mean()
    assert mean["wrong"][1] < 5 * -abs(mean["random"][1])
    assert mean["wrong"][0] == pytest.approx(mean["wrong"][1], rel=0.35)


def test_half_of_a_class_stays_where_a_group_holds_all_of_it():
    y = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    found = removable(y, np.array([0, 1, 2, 3, 4, 6]), np.random.default_rng(0))
    assert (y[found] == 0).sum() == 2
    assert found[-1] == 6
    assert removable(y, np.array([1, 2]), np.random.default_rng(0)).tolist() == [1, 2]
    # of a class with one view nothing goes
    assert removable(np.array([0, 1, 1]), np.array([0]), np.random.default_rng(0)).tolist() == []


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 30), st.integers(0, 5))
def test_a_random_group_is_whole_images_and_leaves_every_class(classes, count, seed):
    y = np.array(classes)
    unit = np.arange(len(y)) // 2
    found = random_group(y, unit, count, np.random.default_rng(seed))
    assert len(found) == min(count, len(y) - len(set(classes)))
    assert len(set(found.tolist())) == len(found)
    assert set(np.delete(y, found).tolist()) == set(classes)
    again = random_group(y, unit, count, np.random.default_rng(seed))
    assert found.tolist() == again.tolist()


def test_images_of_a_random_group_go_whole():
    """But for the one that is cut by the size, or of which a view must stay."""
    unit = np.arange(60) // 2
    found = random_group(np.zeros(60, int), unit, 20, np.random.default_rng(0))
    assert set(np.bincount(unit[found])[np.bincount(unit[found]) > 0].tolist()) == {2}
