"""Which views to ask about so as to find unknown unknowns, views that are confidently wrong: a bandit, and what it must beat.

Arms of a bandit are partitions; a pull asks about a random member that was not asked yet.

References
----------
H. Lakkaraju, E. Kamar, R. Caruana and E. Horvitz, Identifying unknown unknowns in the open world, 2017, section 3.2: UUB.
P. Auer, N. Cesa-Bianchi and P. Fischer, Finite-time analysis of the multiarmed bandit problem, 2002: UCB1.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: Policies by name, the one of the paper first, then what it must beat.
POLICIES = ("uub", "random", "least-confident", "most-distant", "greedy", "epsilon", "ucb1")
UUB, RANDOM, LEAST_CONFIDENT, MOST_DISTANT, GREEDY, EPSILON, UCB1 = range(7)
#: Policies that ask in an order that is known before the first question, and know no partitions.
SORTS = ("least-confident", "most-distant")
#: Share of questions that policy `epsilon` asks about an arm at random.
_EPSILON = 0.1
#: Outcome of a view that nobody was asked about yet.
UNKNOWN = -1


@njit(cache=True, nogil=True)
def _value(policy: int, pulls: float, total: float, weight: float, weighed: float, left: int, time: int) -> float:
    """Return what an arm is worth that was pulled before.

    Sums over its pulls: `pulls` of 1, `total` of what they found; and each over the members that were left then, `weight`
    and `weighed`. An old pull counts by the members left now over those left then.
    """
    if policy == UUB:
        effective = left * weight
        return float(weighed / weight + np.sqrt(2.0 * np.log(time) / effective))
    mean = total / pulls
    if policy == UCB1:
        return float(mean + np.sqrt(2.0 * np.log(time) / pulls))
    return mean


@njit(cache=True, nogil=True)
def _arm(
    policy: int, sums: NDArray[np.float64], left: NDArray[np.int64], time: int, draws: NDArray[np.float64],
) -> int:  # fmt: skip
    """Choose an arm that has members left: one never pulled, else that of most worth, the first of equals."""
    if policy == EPSILON and draws[0] < _EPSILON:
        goal = int(draws[1] * (left > 0).sum())
        for arm in range(len(left)):
            if left[arm] > 0:
                if goal == 0:
                    return arm
                goal -= 1
    best, highest = -1, -np.inf
    for arm in range(len(left)):
        if left[arm] == 0:
            continue
        if sums[arm, 0] == 0:
            return arm
        value = _value(policy, sums[arm, 0], sums[arm, 1], sums[arm, 2], sums[arm, 3], left[arm], time)
        if value > highest:
            best, highest = arm, value
    return best


@njit(cache=True, nogil=True)
def _pull(sums: NDArray[np.float64], left: NDArray[np.int64], arm: int, outcome: float) -> None:
    sums[arm, 0] += 1.0
    sums[arm, 1] += outcome
    sums[arm, 2] += 1.0 / left[arm]
    sums[arm, 3] += outcome / left[arm]
    left[arm] -= 1


@njit(cache=True, nogil=True)
def _ask(
    policy: int, arms: NDArray[np.int64], outcome: NDArray[np.int8], history: NDArray[np.int64],
    order: NDArray[np.int64], draws: NDArray[np.float64], asked: NDArray[np.int64],
) -> None:  # fmt: skip
    """Replay what was asked, then ask; `order` holds all views, those of an arm in the order in which it gives them."""
    left = np.bincount(arms)
    first = np.zeros(len(left), np.int64)
    first[1:] = np.cumsum(left)[:-1]
    stop = np.cumsum(left)
    sums, done = np.zeros((len(left), 4)), np.zeros(len(arms), np.bool_)
    for view in history:
        _pull(sums, left, arms[view], float(outcome[view]))
        done[view] = True
    for question in range(len(asked)):
        arm = _arm(policy, sums, left, len(history) + question + 1, draws[question])
        while first[arm] < stop[arm] and done[order[first[arm]]]:
            first[arm] += 1
        view = order[first[arm]]
        asked[question], done[view] = view, True
        # while an answer is awaited, its arm is taken to be as good as it was
        mean = sums[arm, 1] / sums[arm, 0] if sums[arm, 0] else 0.0
        _pull(sums, left, arm, float(outcome[view]) if outcome[view] >= 0 else mean)


def questions(
    policy: str, partition: NDArray[np.int64], outcome: NDArray[np.int8], order_by: NDArray[np.float64], budget: int,
    seed: int, history: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Return which views a policy asks about, in order.

    Parameters
    ----------
    policy : str
        One of `POLICIES`.
    partition : int64 ndarray of shape (n,)
        Partition of each view.
    outcome : int8 ndarray of shape (n,)
        What asking about a view tells: 1 it is wrong, 0 it is right, -1 the answer is awaited.
    order_by : float64 ndarray of shape (n,)
        What a policy of `SORTS` goes by, lowest first: the confidence of the prediction of each view, or less its distance.
        Others do not read it.
    budget : int
        Questions, at most.
    seed : int
        Draws arms of equal worth and members; the same for all policies.
    history : int64 ndarray of shape (h,), optional
        Views that were asked already, in order; their outcomes are known, and they are not asked again.

    Returns
    -------
    int64 ndarray of shape (min(budget, n - h),)
        Different views.
    """
    past = np.empty(0, np.int64) if history is None else np.asarray(history, np.int64)
    count, number = len(partition), POLICIES.index(policy)
    # raw bits alone are the same in all versions of numpy
    bits = np.random.PCG64(seed).random_raw(2 * count + 2 * budget) if count else np.empty(0, np.uint64)
    shuffled, fresh = np.argsort(bits[:count], kind="stable"), np.ones(count, bool)
    fresh[past] = False
    asked = np.empty(min(budget, int(fresh.sum())), np.int64)
    if policy == "random" or policy in SORTS:
        order = np.argsort(order_by, kind="stable") if policy in SORTS else shuffled
        return np.asarray(order[fresh[order]][: len(asked)], np.int64)
    if not len(asked):
        return asked
    named, arms = np.unique(partition, return_inverse=True)
    arms = np.argsort(np.argsort(bits[count : count + len(named)], kind="stable"))[arms]
    order = shuffled[np.argsort(arms[shuffled], kind="stable")]
    draws = (bits[2 * count :].reshape(-1, 2) >> np.uint64(11)) * 2.0**-53
    _ask(number, arms, outcome.astype(np.int8), past, order, draws, asked)
    return asked


def found(
    policy: str, partition: NDArray[np.int64], wrong: NDArray[np.bool_], order_by: NDArray[np.float64], budget: int,
    seeds: Sequence[int],
) -> NDArray[np.int64]:  # fmt: skip
    """Return how many unknown unknowns a policy has found by each question, where all answers are known.

    Parameters
    ----------
    policy, partition, order_by, budget
        As of `questions`.
    wrong : bool ndarray of shape (n,)
        Unknown unknowns.
    seeds : sequence of int
        One per trial.

    Returns
    -------
    int64 ndarray of shape (trials, min(budget, n))
    """
    outcome = wrong.astype(np.int8)
    asked = [questions(policy, partition, outcome, order_by, budget, seed) for seed in seeds]
    return np.cumsum(wrong[np.stack(asked)], axis=1)


__all__ = ["POLICIES", "SORTS", "UNKNOWN", "found", "questions"]
