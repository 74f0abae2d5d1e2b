"""Units that a user names: every way to name them means the same numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.selection import canonical, units_in

LAYER = Layer("features.3", "Conv2d", 24, 56, 56)


@given(st.lists(st.tuples(st.integers(0, 23), st.integers(0, 8)), min_size=1, max_size=6))
def test_a_selection_means_the_numbers_it_lists(spans):
    spans = [(first, min(first + more, 23)) for first, more in spans]
    text = ",".join(f"{first}-{last}" for first, last in spans)
    expected = sorted({unit for first, last in spans for unit in range(first, last + 1)})
    assert units_in(text, LAYER, "net") == units_in(canonical(text), LAYER, "net") == expected
    assert canonical(",".join(map(str, reversed(expected)))) == canonical(text)


def test_neighbours_join():
    assert canonical("5,4,9,3,11-12") == "3-5,9,11-12"


@pytest.mark.parametrize(("text", "unit"), [("24", 24), ("3,20-30", 24), ("0,700-99999999999", 700)])
def test_a_unit_that_the_layer_lacks_is_named(text, unit):
    with pytest.raises(
        InputError, match=rf"^unit {unit} is not in layer 'features.3' of net, whose units are 0 to 23; "
    ):
        units_in(text, LAYER, "net")
