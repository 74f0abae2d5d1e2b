"""Findings from scores, on cases small enough to do by hand."""

import numpy as np

from filterscope.operators.dissection.scores import (
    best_concept,
    strongest_concepts,
    unique_per_category,
    unique_top1,
    unit_status,
)


def test_best_concept_takes_eligible_ones_alone_and_breaks_ties_by_number():
    scores = np.array([[0.2, 0.5, 0.5, 0.9], [0.0, 0.0, 0.0, 0.4], [np.nan, 0.1, 0.3, np.nan]])
    eligible = np.array([True, True, True, False])
    best, second = best_concept(scores, eligible), best_concept(scores, eligible, rank=1)
    assert best.concept.tolist() == [1, -1, 2]
    assert best.score.tolist() == [0.5, 0.0, 0.3]
    assert second.concept.tolist() == [2, -1, 1]
    assert best_concept(scores[:, :1], eligible[:1], rank=1).concept.tolist() == [-1, -1, -1]


def test_strongest_concepts_are_eligible_ones_first_then_others():
    scores = np.array([[0.2, 0.5, 0.5, 0.9], [0.0, 0.3, 0.0, 0.4], [np.nan, 0.1, 0.3, np.nan]])
    eligible = np.array([True, True, False, False])
    assert strongest_concepts(scores, eligible, 1).tolist() == [[1], [1], [1]]
    assert strongest_concepts(scores, eligible, 3).tolist() == [[0, 1, 3], [0, 1, 3], [1, 2, 3]]
    assert strongest_concepts(scores, eligible, 9).tolist() == [[0, 1, 2, 3]] * 3


def test_unit_status():
    minimum = np.array([0, 0, 0, -2, -3, 1], np.float32)
    maximum = np.array([0, 6, 6, 5, -1, 1], np.float32)
    threshold = np.array([0, 6, 4, 1, -2, 1], np.float32)
    assert unit_status(minimum, maximum, threshold).tolist() == ["dead", "saturated", "live", "live", "dead", "dead"]


def test_both_published_counts_of_unique_detectors():
    units = [
        [("object", "dog", 0.30), ("color", "red", 0.05)],
        [("object", "dog", 0.06), ("color", "red", 0.08)],
        [("object", "cat", 0.04), ("color", "blue", 0.01)],
    ]
    top = [("dog", 0.30), ("red", 0.08), ("cat", 0.04), (None, 0.0)]
    assert unique_top1(top) == 2
    assert unique_per_category(units) == {"color": 1, "object": 1}
