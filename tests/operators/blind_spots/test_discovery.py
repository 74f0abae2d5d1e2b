"""Policies ask about different views, replay what was answered, and find what was planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.blind_spots.discovery import POLICIES, SORTS, questions
from tests import naive
from tests.planted.unknowns import unknown_unknowns

BANDITS = tuple(name for name in POLICIES if name != "random" and name not in SORTS)


def needed(policy, seed, share=0.8):
    """Return how many questions a policy takes to find a share of all unknown unknowns."""
    kind, wrong, confidence = unknown_unknowns(seed)
    asked = questions(policy, kind, wrong, confidence, len(kind), seed)
    return int(np.searchsorted(np.cumsum(wrong[asked]), np.ceil(share * wrong.sum()))) + 1


def test_bandits_find_most_with_half_of_the_questions_that_random_takes():
    taken = {policy: np.array([needed(policy, seed) for seed in range(20)]) for policy in ("uub", "ucb1", "random")}
    assert (taken["uub"] <= taken["random"] / 2).all()
    assert (taken["ucb1"] <= taken["random"] / 2).all()
    assert 0.75 * 1000 < taken["random"].mean() < 0.85 * 1000


@pytest.mark.parametrize("policy", SORTS)
def test_a_sort_asks_about_the_lowest_first(policy):
    kind, wrong, confidence = unknown_unknowns(0)
    asked = questions(policy, kind, wrong, confidence, 100, 0)
    np.testing.assert_array_equal(confidence[asked], np.sort(confidence)[:100])


views = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 5), min_size=n, max_size=n), st.lists(st.integers(0, 1), min_size=n, max_size=n)
    )
)


@given(st.sampled_from(POLICIES), views, st.integers(0, 50), st.integers(0, 2**32), st.data())
def test_no_view_is_asked_twice(policy, drawn, budget, seed, data):
    partition, outcome = np.array(drawn[0]), np.array(drawn[1], np.int8)
    count = len(partition)
    history = np.array(data.draw(st.lists(st.integers(0, count - 1), unique=True)), np.int64)
    confidence = np.random.default_rng(seed).random(count)
    asked = questions(policy, partition, outcome, confidence, budget, seed, history)
    assert len(asked) == min(budget, count - len(history))
    assert len(set(asked.tolist()) | set(history.tolist())) == len(asked) + len(history)


@given(st.sampled_from(BANDITS), views, st.integers(0, 2**32), st.integers(0, 40))
def test_what_was_answered_is_replayed(policy, drawn, seed, cut):
    """Answers given up to any question lead on as if there had been no break, but for draws of epsilon."""
    partition, outcome = np.array(drawn[0]), np.array(drawn[1], np.int8)
    count, confidence = len(partition), np.zeros(len(partition))
    whole = questions(policy, partition, outcome, confidence, count, seed)
    rest = questions(policy, partition, outcome, confidence, count, seed, whole[:cut])
    if policy != "epsilon":
        np.testing.assert_array_equal(rest, whole[cut:])
    assert set(rest.tolist()) == set(whole[cut:].tolist())


@given(st.sampled_from(BANDITS), views, st.integers(0, 2**32))
def test_an_arm_that_is_pulled_has_the_highest_worth(policy, drawn, seed):
    if policy == "epsilon":
        return
    partition, outcome = np.array(drawn[0]), np.array(drawn[1], np.int8)
    asked = questions(policy, partition, outcome, np.zeros(len(partition)), len(partition), seed)
    left = {arm: int((partition == arm).sum()) for arm in set(partition.tolist())}
    pulls = {arm: [] for arm in left}
    for time, view in enumerate(asked.tolist(), 1):
        worth = {
            arm: naive.blind_spots.arm_values(policy, pulls[arm], left[arm], time) if pulls[arm] else np.inf
            for arm in left
            if left[arm]
        }
        arm = int(partition[view])
        assert worth[arm] == np.inf or worth[arm] >= max(worth.values()) - 1e-9
        pulls[arm].append((int(outcome[view]), left[arm]))
        left[arm] -= 1


def test_while_answers_are_awaited_an_arm_is_as_good_as_it_was():
    """An arm that was wrong twice is asked about, and with its bonus falling the others in turn."""
    partition = np.repeat([0, 1, 2], 30)
    outcome = np.full(90, -1, np.int8)
    outcome[[0, 1, 30, 31, 60, 61]] = 1, 1, 0, 0, 0, 0
    asked = questions("ucb1", partition, outcome, np.zeros(90), 30, 0, np.array([0, 1, 30, 31, 60, 61]))
    taken = np.bincount(partition[asked], minlength=3)
    assert taken[0] > 2 * max(taken[1:])
    assert min(taken) > 0
    assert (np.array(questions("greedy", partition, outcome, np.zeros(90), 20, 0, np.array([0, 30, 60]))) < 30).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_seeds_draw_the_same_everywhere(policy):
    kind, wrong, confidence = unknown_unknowns(0)
    one, two = (questions(policy, kind, wrong, confidence, 50, 7) for _ in range(2))
    np.testing.assert_array_equal(one, two)
