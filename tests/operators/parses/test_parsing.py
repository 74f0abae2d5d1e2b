"""Folding and unfolding, beside all parses written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.parses.grid import grid_of
from filterscope.operators.parses.parsing import deleted, folding, leaf_weights, parse
from tests.naive import parses as naive


def by_corners(k, row):
    return {tuple(own): float(value) for own, value in zip(grid_of(k).rectangles.tolist(), row, strict=True)}


@pytest.mark.parametrize("k", [2, 3])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_the_best_parse_and_its_rival_are_those_among_all_parses(k, seed):
    scores = np.random.default_rng(seed).normal(size=(1, len(grid_of(k).rectangles)))
    found = parse(scores, k)
    score, leaves, rival = naive.best(by_corners(k, scores[0]), k)
    own = {tuple(corners) for corners in grid_of(k).rectangles[found.leaves[0]].tolist()}
    assert own == set(leaves)
    assert found.score[0] == pytest.approx(score, abs=1e-12)
    assert found.margin[0] == pytest.approx(score - rival, abs=1e-12)
    depths = {depth for tree, depth in naive.parses(0, 0, k, k) if set(tree) == set(leaves)}
    assert found.depth[0] in depths


@given(arrays(np.float64, (1, 9), elements=st.sampled_from([0.0, 1.0, -1.0])))
@settings(max_examples=40, deadline=None)
def test_ties_give_a_best_parse_and_no_margin(scores):
    found = parse(scores, 2)
    score, _, rival = naive.best(by_corners(2, scores[0]), 2)
    assert found.score[0] == score
    assert found.margin[0] == score - rival
    assert scores[0][found.leaves[0]].sum() == score
    assert grid_of(2).cells[found.leaves[0]].sum(axis=0).tolist() == [1] * 4


def test_of_equal_parses_the_one_of_fewest_cuts_is_chosen():
    assert parse(leaf_weights(3, "mean")[None] * 2.0, 3).leaves[0].tolist() == [False] * 35 + [True]


def test_leaves_of_summed_nodes_multiply_where_those_of_means_do_not():
    ones = np.ones((1, 36))
    assert parse(ones * leaf_weights(3, "sum"), 3).leaves.sum() == 9
    assert parse(ones * leaf_weights(3, "mean"), 3).leaves.sum() == 1
    with pytest.raises(ValueError, match="not by 'max'"):
        leaf_weights(3, "max")


@pytest.mark.parametrize("k", [2, 3])
def test_folding_is_the_mean_at_every_or_node(k):
    scores = np.random.default_rng(k).normal(size=len(grid_of(k).rectangles))
    assert folding(k) @ scores == pytest.approx(naive.folded(by_corners(k, scores), 0, 0, k, k))


def test_a_deleted_rectangle_is_a_parse_without_its_cells():
    k, rng = 3, np.random.default_rng(5)
    grid = grid_of(k)
    parts, bias = rng.normal(size=(2, 36, 9)), rng.normal(size=(2, 36))
    found = deleted(parts, bias, k)
    for gone in (0, 17, 35):
        left = grid.cells & ~grid.cells[gone]
        scores = bias + (parts * left).sum(axis=2)
        assert found[:, gone] == pytest.approx(parse(scores, k).score)
    assert found[:, -1] == pytest.approx(parse(bias, k).score)


def test_inputs_are_left_as_they_are():
    scores = np.random.default_rng(1).normal(size=(3, 9))
    before = scores.copy()
    parse(scores, 2)
    assert np.array_equal(scores, before)
