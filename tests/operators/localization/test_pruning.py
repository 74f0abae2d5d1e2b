"""Nodes are taken out of templates, and a simulated person knows those that do not follow a part."""

import numpy as np
import pytest

from filterscope.operators.localization.pruning import misses, without, worst_half
from filterscope.operators.localization.templates import LOCAL, Template


def test_a_template_loses_what_is_removed_and_keeps_the_order():
    template = Template(np.array([4, 1, 3]), np.array([[4.0, 0], [1, 0], [3, 0]]), np.zeros(2), LOCAL)
    left = without(template, np.array([False, True, False, False, False]))
    assert left.nodes.tolist() == [4, 3]
    assert left.displacement[:, 0].tolist() == [4, 3]
    assert without(template, np.ones(5, bool)).nodes.size == 0


@pytest.mark.parametrize("seed", range(5))
def test_misses_equal_the_formula(seed):
    rng = np.random.default_rng(seed)
    position, fired = rng.normal(0, 9, (7, 5, 2)).astype(np.float32), rng.random((7, 5)) < 0.6
    centre = rng.normal(0, 9, (7, 2))
    fired[:, 0], fired[1:, 1] = False, False
    found = misses(position, fired, centre)
    assert np.isinf(found[:2]).all()
    for node in range(2, 5):
        own = [[centre[v, a] - float(position[v, node, a]) for a in (0, 1)] for v in range(7) if fired[v, node]]
        if len(own) < 2:
            assert np.isinf(found[node])
            continue
        usual = [sorted(d[a] for d in own) for a in (0, 1)]
        middle = [(line[(len(line) - 1) // 2] + line[len(line) // 2]) / 2 for line in usual]
        expected = sum(((y - middle[0]) ** 2 + (x - middle[1]) ** 2) ** 0.5 for y, x in own) / len(own)
        assert found[node] == pytest.approx(expected)


def test_a_node_that_follows_exactly_misses_nothing_wherever_it_lies():
    centre = np.random.default_rng(0).uniform(0, 60, (9, 2))
    position = np.stack([centre + np.array([5, -7]), np.full((9, 2), 30.0)], axis=1).astype(np.float32)
    found = misses(position, np.ones((9, 2), bool), centre)
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[1] > 5


def test_worst_half_leaves_at_least_half_and_ties_stay():
    assert worst_half(np.array([1.0, 2, 3, np.inf])).tolist() == [False, False, True, True]
    assert not worst_half(np.full(4, 2.0)).any()
