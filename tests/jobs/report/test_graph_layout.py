"""Layered pictures: no node hides another, and ties cross no more than in the order given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.jobs.report.sections.graph_layout import crossings, layered


@st.composite
def graphs(draw):
    rows = sorted(draw(st.lists(st.integers(0, 2), min_size=1, max_size=40)))
    pairs = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if rows[a] == rows[b] + 1]
    return rows, draw(st.lists(st.sampled_from(pairs), max_size=30, unique=True)) if pairs else []


def crossed(place, ties, rows):
    """Count the crossings pair by pair."""
    count = 0
    for n, (a, b) in enumerate(ties):
        for c, d in ties[:n]:
            if rows[a] == rows[c]:
                count += (place[a] - place[c]) * (place[b] - place[d]) < 0
    return count


@given(graphs())
def test_nodes_stand_apart_and_rows_below_each_other(graph):
    rows, ties = graph
    at = layered(rows, ties)
    assert len({tuple(place) for place in at.tolist()}) == len(rows)
    for row in range(2):
        upper, lower = at[np.array(rows) == row, 1], at[np.array(rows) == row + 1, 1]
        if len(upper) and len(lower):
            assert upper.max() < lower.min()


@given(graphs())
def test_there_are_no_more_crossings_than_in_the_order_given(graph):
    rows, ties = graph
    given_order = [rows[:n].count(row) for n, row in enumerate(rows)]
    x = layered(rows, ties)[:, 0]
    assert (
        crossings(np.array(rows), x.astype(float), ties) == crossed(x, ties, rows) <= crossed(given_order, ties, rows)
    )


def test_a_tangled_tree_is_taken_apart():
    """Lower nodes of the two upper ones come alternately; in the picture no tie crosses another."""
    rows, ties = [0, 0, *[1] * 8], [(2 + n, n % 2) for n in range(8)]
    assert crossed(list(range(10)), ties, rows) > 0
    assert crossed(layered(rows, ties)[:, 0], ties, rows) == 0
