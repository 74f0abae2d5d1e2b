"""Looks of sections on small frames: numbers are those of the frame, every value is text, null is a dash."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import polars as pl
import pytest

from filterscope.jobs.report.render import _environment, coded
from filterscope.jobs.report.sections.cells import About, columns_of, texts
from filterscope.jobs.report.sections.lines import figures
from filterscope.jobs.report.sections.section import section_of
from filterscope.jobs.report.sections.ties import tied
from filterscope.pipeline.methods.method import Finding

BAD = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def about():
    """A layer of a run of two models, with pages of its units and of a category."""
    plan = SimpleNamespace(models=[SimpleNamespace(name="a"), SimpleNamespace(name="b")])
    where = SimpleNamespace(plan=plan, layers={("a", "l/1")}, graphs={("a", BAD)})
    return About(where, "a", "l/1", concepts=frozenset({"red"}))


def drawn(look, frame, about, note="by `chance` & <b>", bars=()):
    """Return the HTML of a section."""
    finding = Finding(f"A {look}: of {BAD}", ("units",), lambda run: frame, look=look, note=note, bars=bars)
    template = _environment().from_string('{% import "sections.html" as shown %}{{ shown.show(s, "../") }}')
    return template.render(s=section_of(finding, frame, about))


class Found(HTMLParser):
    """Elements with their attributes, and cells of the table rows."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self._cell = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._cell:
            self.rows[-1][-1] += data

    def all(self, tag, kind=None):
        """Return the attributes of elements, of one class if asked."""
        return [named for name, named in self.tags if name == tag and (not kind or kind in (named.get("class") or ""))]


@pytest.mark.parametrize("look", ["table", "bars", "heat"])
def test_a_table_holds_the_frame(look, about):
    frame = pl.DataFrame(
        {
            "model": ["a"] * 3,
            "unit": [1200, 7, 8],
            "concept": ["red", BAD, None],
            "category": ["color", BAD, None],
            "iou": [0.25, 0.125, None],
            "mask_pixels": [1234567, 8, None],
            "kept": [True, False, None],
        }
    )
    text = drawn(look, frame, about)
    page = Found(text)
    assert page.rows == [
        ["unit", "concept", "IoU", "mask pixels", "kept"],
        ["1200", "red color", "0.2500", "1,234,567", "yes"],
        ["7", f"{BAD} {BAD}", "0.1250", "8", "no"],
        ["8", "no concept", "–", "–", "–"],
    ]
    assert "<script" not in text
    assert text.count(ESCAPED) >= 2
    assert '<p class="quiet">by <code>chance</code> &amp; &lt;b&gt;</p>' in text
    assert [link["href"] for link in page.all("a")] == [
        "../m/a/l%2F1/1200.html", "../c/red.html", "../m/a/l%2F1/7.html", "../m/a/l%2F1/8.html",
    ]  # fmt: skip
    assert [len(page.all("td", "text")), len(page.all("th", "text"))] == [6, 2]


def test_bars_are_as_long_as_their_numbers(about):
    frame = pl.DataFrame(
        {"T": [3.0, 2.0, 1.0], "concept": ["x", "y", "z"], "share": [0.4, 0.1, None], "b": [1.0, 9.0, 2.0]}
    )
    page = Found(drawn("bars", frame, about))
    assert [span["style"] for span in page.all("span") if "style" in span] == ["width:100.0%", "width:25.0%"]
    assert len(page.all("span", "gauge")) == 2
    assert [cells[2] for cells in page.rows[1:]] == ["0.4000", "0.1000", "–"]


def test_heat_has_one_scale_for_all_fractions(about):
    frame = pl.DataFrame({"layer": ["1", BAD], "filters": [900, 4], "raw": [0.5, None], "nodes": [0.25, 1.0]})
    page = Found(drawn("heat", frame, replace(about, layer=None)))
    assert [cell["style"] for cell in page.all("td", "warm")] == ["--heat:0.500", "--heat:0.250", "--heat:1.000"]
    assert page.rows[2] == [BAD, "4", "–", "1.0000"]


def test_lines_are_drawn_to_scale(about):
    rows = {"layer": [BAD] * 4 + ["c"], "images": [10, 20, 40, 80, 5], "over": [40, 30, None, 10, 3]}
    frame = pl.DataFrame({**rows, "by_chance": [20.0, 15.0, 10.0, 5.0, 1.0]})
    (figure,) = figures(frame, replace(about, layer=None))
    width, height = figure.width, figure.height
    assert [tick.at / width for tick in figure.x.ticks] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert (figure.y.ticks[-1].text, figure.y.ticks[-1].at) == ("40", 0)
    over, chance = figure.lines
    assert over.points[2] is None
    assert [point[0] / width for point in chance.points] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [point[1] / height for point in over.points if point] == [0, 0.25, 0.75]
    assert [point[1] / height for point in chance.points] == [0.5, 0.625, 0.75, 0.875]
    assert (over.dashed, chance.dashed) == (False, True)
    text = drawn("lines", frame, replace(about, layer=None))
    page = Found(text)
    (svg,) = page.all("svg", "lines")
    assert (
        svg["aria-label"] == f"A lines: {BAD}: images (log) 10, 20, 40, 80; over 40, 30, –, 10; by chance 20, 15, 10, 5"
    )
    assert "<script" not in text
    assert len(page.all("path", "mark")) == 7 + 2  # and a sample of each line in the legend
    assert page.rows[3] == [BAD, "40", "–", "10"]
    assert len(page.rows) == 6


def test_lines_without_two_places_are_a_table(about):
    frame = pl.DataFrame({"images": [10], "over": [3]})
    page = Found(drawn("lines", frame, about))
    assert not page.all("svg")
    assert page.rows == [["images", "over"], ["10", "3"]]


def test_an_interval_is_a_band_around_its_line(about):
    rows = {"question": [1, 2, 3], "uub": [1, 2, 4], "random": [0.0, 1.0, 2.0], "random low": [0, 0, 1]}
    frame = pl.DataFrame({**rows, "random high": [1, 2, 4], "low": [3, 3, 3]})
    (figure,) = figures(frame, about)
    assert [line.name for line in figure.lines] == ["uub", "random", "low"]  # a column that is no interval is a line
    assert [line.band == "" for line in figure.lines] == [True, False, True]
    at, tall = [tick.at for tick in figure.x.ticks], figure.height
    top = [(at[0], 0.75), (at[1], 0.5), (at[2], 0.0)]
    bottom = [(at[2], 0.75), (at[1], 1.0), (at[0], 1.0)]
    assert figure.lines[1].band == "M" + "L".join(f"{x:.1f} {y * tall:.1f}" for x, y in top + bottom) + "z"
    text = drawn("lines", frame, about)
    assert [path["d"] for path in Found(text).all("path", "band")] == [figure.lines[1].band]
    assert "random 0 (0 to 1), 1 (0 to 2), 2 (1 to 4)" in text


def test_an_interval_with_a_gap_has_no_band(about):
    rows = {"n": [1, 2], "a": [1.0, 2.0], "a low": [None, 1.0], "a high": [2.0, 3.0]}
    (figure,) = figures(pl.DataFrame(rows), about)
    assert figure.lines[0].band == ""


def test_strips_show_views_in_their_order(pictured):
    """Without images at hand, strips say which views they would show."""
    frame = pl.DataFrame(
        {
            "unit": [3, 3],
            "pattern": [0, 1],
            "what": [BAD, "b"],
            "share": [0.75, None],
            "views": [
                [{"view": 2, "y": 4.0, "x": 9.5}, {"view": 1, "y": None, "x": None}],
                [{"view": 0, "y": 1.0, "x": 1.0}],
            ],
        }
    )
    text = drawn("strips", frame, replace(pictured, unit=3))
    page = Found(text)
    assert [image["href"].rsplit("/", 1)[1] for image in page.all("image")] == ["000000.webp", "000001.webp"]
    assert [(ring["cx"], ring["cy"]) for ring in page.all("circle")] == [("50.0", "22.5")]
    assert "<script" not in text
    plain = re.sub(r"<[^>]+>", "", text)
    assert re.search(rf"pattern 0\s+what {re.escape(ESCAPED)}\s+share 0.7500", plain)
    assert re.search(r"pattern 1\s+what b\s+share –", plain)
    assert "view 0" in plain


def test_strips_say_what_stands_below_a_view_and_draw_shares_as_bars(pictured):
    views = [[{"view": 2, "says": BAD}, {"view": 0, "says": "b"}], [{"view": 1, "says": None}]]
    frame = pl.DataFrame({"partition": [0, 1], "purity": [0.25, None], "other": [0.5, 0.5], "views": views})
    text = drawn("strips", frame, pictured, bars=("purity",))
    page = Found(text)
    assert [span["style"] for span in page.all("span") if "style" in span] == ["width:25.0%"]
    assert page.all("span", "gauge")[0]["title"] == "a full bar is 1"
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == [ESCAPED, "b"]
    assert [svg["aria-label"] for svg in page.all("svg", "thumb")] == [f"view 2: {BAD}", "view 1"]
    assert "<script" not in text


def test_a_grid_shows_more_views_of_a_row(pictured):
    frame = pl.DataFrame({"order": ["loss"], "views": [[2] * 60]})
    counts = {look: len(Found(drawn(look, frame, pictured)).all("svg", "thumb")) for look in ("strips", "grid")}
    assert counts == {"strips": 8, "grid": 48}


@pytest.fixture
def pictured(about):
    """A run of which two of three views have thumbnails."""
    where = about.where
    transform = SimpleNamespace(input_size=(32, 32))
    model = SimpleNamespace(name="a", transform=transform, geometry=lambda kind: _geometry())
    where.plan.model = lambda name: model
    where.plan.options = SimpleNamespace(geometry="squash")
    where.plan.views = SimpleNamespace(image=[7, 5, 6])
    where.slots = lambda look: SimpleNamespace(slot=[-1, 17, 3])
    return about


def _geometry():
    from filterscope.pipeline.views.geometry import Geometry
    from filterscope.pipeline.views.transform import Transform

    transform = Transform((32, 32), (32, 32), (0.0,) * 3, (1.0,) * 3, "nearest")
    return Geometry.of(transform, "squash")


def test_ties_lead_from_left_to_right(about):
    frame = pl.DataFrame(
        {"from": [BAD, BAD, "m"], "to": ["m", "n", "n"], "weight": [0.5, None, 1.0], "together": [3, None, 4]}
    )
    graph = tied(frame)
    assert {name: x // 320 for name, x, _, _ in graph.nodes} == {BAD: 0, "m": 1, "n": 2}
    assert [line[4] for line in graph.lines] == [2.5, 1.0, 4.0]
    assert len({(x, y) for _, x, y, _ in graph.nodes}) == 3
    text = drawn("graph", frame, about)
    page = Found(text)
    assert len(page.all("line")) == 3
    assert page.rows[2] == [BAD, "n", "–", "–"]
    assert "<script" not in text


def test_ties_in_a_circle_are_drawn(about):
    graph = tied(pl.DataFrame({"from": ["a", "b", "c"], "to": ["b", "a", "c"], "weight": [1.0, 1.0, 1.0]}))
    assert len(graph.nodes) == 3


def test_a_long_table_says_what_it_leaves_out(about):
    text = drawn("table", pl.DataFrame({"unit": range(1200)}), about)
    assert len(Found(text).rows) == 501
    assert "The first 500 of 1,200 rows are shown; all are in units." in text


def test_numbers_of_a_column_have_as_many_decimals():
    def written(*values):
        return texts(pl.Series("x", values))

    assert written(0.5, None, 1.0) == ["0.5000", "–", "1.0000"]
    assert written(12.345, 0.5) == ["12.35", "0.50"]
    assert written(12345.6, 0.2) == ["12,346", "0"]
    assert written(0.00012346) == ["0.0001235"]
    assert written(float("nan"), float("inf"), 2.0) == ["–", "–", "2"]
    assert texts(pl.Series("unit", [1200])) == ["1200"]
    assert texts(pl.Series("units", [1200])) == ["1,200"]


def test_nodes_lead_to_their_graph(about):
    frame = pl.DataFrame({"unit": [3], "category": [BAD], "node": [12]})
    category, node = columns_of(frame, replace(about, unit=3))
    assert (category.cells[0].href, node.cells[0].text, node.cells[0].value) == (None, "node 12", "12")
    assert node.cells[0].href.endswith(".html#node=l/1/3/12")


def test_code_in_notes_is_escaped():
    assert str(coded("a `<b>` & `c`")) == "a <code>&lt;b&gt;</code> &amp; <code>c</code>"
