"""The posterior over chains: beside all chains written out, and on labels of a planted hidden Markov model."""

from itertools import pairwise, product

import numpy as np
import pytest

from filterscope.operators.rules.chains import chain_posterior

#: O, B-X, I-X, B-Y, I-Y: an inside follows the beginning or the inside of its own kind.
FOLLOWS = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [1, 1, 0, 1, 1], [1, 1, 0, 1, 1]], bool)


@pytest.mark.parametrize("forbidden", [2.0, np.inf])
def test_marginals_are_those_of_all_chains(forbidden):
    rng = np.random.default_rng(0)
    log_p = np.log(rng.dirichlet(np.ones(3), 5))
    penalty = np.where(rng.random((3, 3)) < 0.4, forbidden, 0.5 * rng.random((3, 3)))
    penalty[0, 0] = 0.0
    expected = np.zeros((5, 3))
    for chain in product(range(3), repeat=5):
        energy = sum(log_p[t, y] for t, y in enumerate(chain)) - sum(penalty[a, b] for a, b in pairwise(chain))
        for t, y in enumerate(chain):
            expected[t, y] += np.exp(energy)
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(chain_posterior(log_p, penalty), expected)


def test_without_rules_it_is_the_network_itself():
    p = np.random.default_rng(1).dirichlet(np.ones(4), 6)
    assert np.allclose(chain_posterior(np.log(p), np.zeros((4, 4))), p)
    assert np.allclose(chain_posterior(np.log(p[:1]), np.ones((4, 4))), p[:1])


def test_rules_that_forbid_everything_are_refused():
    with pytest.raises(ValueError, match="forbid every chain"):
        chain_posterior(np.zeros((3, 2)), np.full((2, 2), np.inf))


def hidden(rng, length):
    """Draw labels that obey the rule, and probabilities of a network that often takes the inside of one kind for the other."""
    label = [0]
    for _ in range(length - 1):
        label.append(int(rng.choice(np.flatnonzero(FOLLOWS[label[-1]]))))
    kinds = np.eye(5)
    kinds[[2, 4], [4, 2]] = 0.8
    scores = rng.normal(0, 1, (length, 5)) + 2.5 * kinds[label]
    return np.array(label), scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def test_the_rule_on_chains_helps_and_a_permuted_one_does_not():
    rng = np.random.default_rng(2)
    order = np.array([4, 2, 0, 1, 3])
    right = dict.fromkeys(("p", "q", "permuted"), 0.0)
    for _ in range(60):
        label, log_p = hidden(rng, 20)
        right["p"] += (log_p.argmax(axis=1) == label).mean() / 60
        for name, follows in (("q", FOLLOWS), ("permuted", FOLLOWS[np.ix_(order, order)])):
            q = chain_posterior(log_p, 6.0 * ~follows)
            right[name] += (q.argmax(axis=1) == label).mean() / 60
    assert right["q"] > right["p"] + 0.03
    assert right["permuted"] < right["p"]
