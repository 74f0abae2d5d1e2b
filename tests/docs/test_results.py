"""What commands print on the pages of documentation is what they print."""

import re

import polars as pl
import pytest
from PIL import Image

from tests.docs.results import MARKED, PAGES, ROOT, executed, looks_alike, recipe, rewritten, same, shown, stale

COMMANDS = ("filterscope", "make", "python", "pip", "export", "aws")
#: Blocks without a language that neither commands nor their outputs are, by page and first word, and what they are.
OTHERS = {
    ("docs/how_it_works.md", "data"): "drawing of the dataflow",
    ("docs/graph.md", "top_patches(run,"): "calls in Python, without their results",
    ("docs/write_a_method.md", "Lifetime"): "checked by test_write_a_method.py",
}
#: Pages whose blocks another test checks.
CHECKED = {
    "your_own_data.md": "CSV files and commands: test_your_own_data.py",
    "your_own_network.md": "networks and what is said of them: test_your_own_network.py",
}
BLOCK = re.compile(r"(?P<marker><!-- .*? -->\n)?^```(?P<language>\w*)\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [found for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if not found["language"]]


def is_commands(block):
    lines = [line for line in block.replace("\\\n", "").splitlines() if line]
    return all(line.startswith(" ") or line.split()[0] in COMMANDS for line in lines)


def test_every_block_that_shows_results_says_where_they_come_from():
    others = set()
    for page in PAGES:
        for found in blocks(page) if page.name not in CHECKED else ():
            here = str(page.relative_to(ROOT)), found["block"].split()[0]
            if found["marker"]:
                assert re.match(r"<!-- (output of(, first \d+ lines)?(, on \w+)?: |measured on )", found["marker"]), (
                    here
                )
            elif here in OTHERS:
                others.add(here)
            else:
                assert is_commands(found["block"]), (
                    f"{here}: put `<!-- output of: COMMAND -->` above it and `make results`"
                )
    assert others == set(OTHERS)


def test_every_marker_stands_above_the_block_of_its_command():
    count = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        marked = list(MARKED.finditer(text))
        assert len(marked) == text.count("<!-- output of")
        for found in marked:
            count += 1
            first = found["block"].splitlines()[0]
            assert first == found["command"] or found["command"] == "make audit", page
    assert count >= 5


def test_a_page_is_rewritten_where_it_says_something_else():
    page = "Text.\n<!-- output of: filterscope a -->\n```\n{}```\nMore: 8 of 9.\n"
    old = page.format("filterscope a\nunits 100, iou 0.50 in 3.1 s, 10 images/s\n")
    run = {"filterscope a": "units 104, iou 0.51 in 4 s, 9 images/s\n"}.__getitem__
    assert rewritten(old, run) == old
    run = {"filterscope a": "units 110, iou 0.50 in 3.1 s\n"}.__getitem__
    assert rewritten(old, run) == page.format("filterscope a\nunits 110, iou 0.50 in 3.1 s\n")
    first = old.replace("output of:", "output of, first 2 lines:")
    run = {"filterscope a": "a\nb\nc\n"}.__getitem__
    assert "```\nfilterscope a\na\nb\n...\n```\nMore: 8 of 9." in rewritten(first, run)
    assert rewritten("<!-- measured on x: filterscope a -->\n```\n7\n```\n", run).count("7") == 1
    given = old.replace("output of:", "output of, on animals:")
    assert rewritten(given, run, lambda _: False) == given
    assert "```\nfilterscope a\na\nb\nc\n```" in rewritten(given, run, lambda data: data == "animals")
    assert rewritten(given, run, lambda data: data != "animals") == given


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("| a |  0.1000 |", "| a | 0.1040 |", True), ("| 0.10 |", "| 0.11 |", False), ("3 units", "4 units", True),
        ("3 units", "5 units", False), ("a  red", "a blue", False), ("p = 1.9e-16", "p = 1.9e-15", False),
        ("lite0-57934424 1", "lite0-57934425 1", False), ("1,280", "1280", True), ("a", "a 1", False),
        ("tasks in 1.2 s", "tasks in 31 s", True), ("in 12 images", "in 30 images", False), ("-1.5", "1.5", False),
        ("by 8, 50 to 87", "by 8.1, 50 to 87", True), ("2,045, then", "2,044, then", True),
    ],
)  # fmt: skip
def test_outputs_say_the_same_where_words_are_alike_and_numbers_near(one, other, alike):
    assert same(one, other) == same(other, one) == alike


def test_pictures_look_alike_where_they_hardly_differ():
    one = shown(Image.new("RGB", (40, 30), (100, 120, 140)))
    assert looks_alike(one, shown(Image.new("RGB", (40, 30), (101, 120, 139))))
    assert not looks_alike(one, shown(Image.new("RGB", (40, 30), (140, 120, 100))))
    assert not looks_alike(one, shown(Image.new("RGB", (40, 31), (100, 120, 140))))
    assert not looks_alike(one, shown("a"))
    assert looks_alike(shown("3.14 units"), shown("3.15 units"))
    assert not looks_alike(shown(pl.DataFrame({"a": [1]})), shown(pl.DataFrame({"a": [7]})))
    assert shown(None) == {}


def test_a_notebook_gets_the_outputs_of_its_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("FILTERSCOPE_RUN", "restored afterwards")

    def cell(*source, kind="code"):
        return {"cell_type": kind, "source": list(source), "outputs": [], "execution_count": None}

    book = executed(
        {"cells": [cell("# a", kind="markdown"), cell("a = 1\n", "a + 1"), cell("None"), cell("a")]}, tmp_path
    )
    outputs = [one["outputs"] for one in book["cells"]]
    assert [[output["data"] for output in some] for some in outputs] == [
        [], [{"text/plain": ["2"]}], [], [{"text/plain": ["1"]}]
    ]  # fmt: skip
    assert [one["execution_count"] for one in book["cells"]] == [None, 1, 2, 3]


def test_the_commands_of_a_target_are_those_of_the_makefile():
    steps = recipe("audit")
    assert steps[0].startswith("test -e data/sample/dataset.json || filterscope sample data/sample --images 600")
    assert steps[-1].startswith("filterscope audit --model package:efficientnet-lite0")


@pytest.mark.slow
def test_the_pages_show_what_their_commands_print(tmp_path):
    assert [page.name for page in stale(tmp_path.resolve())] == [], "run `make results`"
