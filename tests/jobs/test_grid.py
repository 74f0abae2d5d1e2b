"""Tables for people: they fit, and nothing in them is cut."""

import pytest

from filterscope.jobs.grid import folded, grid, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.33941, "0.339"), (0.0, "0"), (1.5, "1.5"), (0.00004512, "4.51e-05"), (99.96, "100"), (691.7, "692"), (999.7, "1000"),
     (12345.6, "12346"), (-31.27, "-31.3"), (1.9e-16, "1.9e-16"), (2e20, "2.00e+20"), (float("nan"), "nan"),
     (float("inf"), "inf"), (1280, "1280"), (123456789, "123456789")],
)  # fmt: skip
def test_numbers_have_three_digits_and_whole_ones_all(value, text):
    assert number(value) == text


def test_a_table_that_fits_is_as_it_is():
    assert grid(["unit", "concept", "iou"], [[3, "dog", 0.25], [10, None, 0.0]], width=40) == (
        "unit  concept   iou\n"
        "----  -------  ----\n"
        "   3  dog      0.25\n"
        "  10  -           0\n"
    )  # fmt: skip


def test_what_is_the_same_in_all_rows_is_said_once_where_there_is_no_room():
    rows = [["efficientnet-lite0", "a.0", "live", 1], ["efficientnet-lite0", "a.1", "live", 2]]
    names = ["model", "layer", "status", "unit"]
    assert grid(names, rows, width=26) == (
        "model: efficientnet-lite0\n"
        "layer  status  unit\n"
        "-----  ------  ----\n"
        "a.0    live       1\n"
        "a.1    live       2\n"
    )  # fmt: skip
    assert grid(names, rows, width=80).startswith("model               layer  status  unit\n")
    assert "model: " not in grid(names, rows[:1], width=26)  # one row: all of it is the same


def test_headings_and_texts_are_folded_between_words():
    text = grid(["layer", "unique_per_category", "says"], [["a", 1, "four words of it here"]], width=32)
    assert text == (
        "       unique_per_\n"
        "layer     category  says\n"
        "-----  -----------  ------------\n"
        "a                1  four words\n"
        "                    of it here\n"
    )  # fmt: skip


def test_columns_that_do_not_fit_are_named_and_the_first_always_stays():
    text = grid(["name", "long", "unit"], [["x" * 30, "y" * 30, 1], ["w" * 30, "z" * 30, 2]], width=50)
    assert text.splitlines()[0].split() == ["name", "unit"]
    assert text.endswith("left out to fit 50 columns: long\n")
    assert "x" * 60 in grid(["name", "unit"], [["x" * 60, 1]], width=20)


@pytest.mark.parametrize("width", [20, 33, 47, 80, 200])
def test_no_word_is_cut_at_any_width(width):
    rows = [["alpha beta gamma", "delta", 1.25], ["one", "two three four five six seven", 2.5]]
    text = grid(["first", "second", "third"], rows, width=width)
    assert max(map(len, text.splitlines())) <= width
    shown = [word for place, name in enumerate(("first", "second")) if name in text.partition("left out")[0]
             for row in rows for word in row[place].split()]  # fmt: skip
    assert shown
    assert set(shown) <= set(text.split())


def test_wide_characters_take_two_columns():
    lines = grid(["concept", "n"], [["\u732b", 1], ["dog", 2]], width=40).splitlines()
    assert lines[2] == "\u732b       1"
    assert lines[3] == "dog      2"


def test_without_a_terminal_a_line_has_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert max(map(len, folded("word " * 100).splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "30")
    assert max(map(len, folded("word " * 100).splitlines())) <= 30
