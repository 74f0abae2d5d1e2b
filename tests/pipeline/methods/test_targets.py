"""Classes that are asked about: the predicted, the true, one, or the best of some."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.outputs.targets import Target, best_among, candidates, refuse_absent

TARGET = TypeAdapter(Target)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("predicted", "predicted"),
        ("true", "true"),
        (207, "207"),
        ("007", "7"),
        ("80-100, 7-24", "7-24,80-100"),
        ("1,2,3", "1-3"),
    ],
)
def test_equal_targets_are_the_same_text(given_, kept):
    assert TARGET.validate_python(given_) == kept


@pytest.mark.parametrize("given_", ["highest", "", "5-2", "-1", "1.5", True, 1.5, None, "²"])
def test_what_is_no_target_is_refused_in_words(given_):
    with pytest.raises(ValidationError, match=r"predicted, true|valid string"):
        TARGET.validate_python(given_)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_the_best_of_some_is_the_first_of_highest_score_among_them(classes, seed):
    scores = np.random.default_rng(seed).integers(0, 4, (6, 10)).astype(np.float32)
    target = TARGET.validate_python(",".join(map(str, classes)))
    assert candidates(target, 10).tolist() == sorted(set(classes))
    expected = [max(sorted(set(classes)), key=lambda own: (row[own], -own)) for row in scores]
    assert best_among(scores, target).tolist() == expected
    assert best_among(scores, "predicted").tolist() == scores.argmax(1).tolist()


def test_an_absent_class_is_refused_with_those_there_are():
    refuse_absent("--attribution.target", "0-9", 10, "net")
    for target in ("10", "3,8-10", "99999999999999999999"):
        with pytest.raises(InputError, match=f"--attribution.target {target}: net scores 10 classes, 0 to 9"):
            refuse_absent("--attribution.target", target, 10, "net")
