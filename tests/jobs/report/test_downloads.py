"""What a page gives away: lists as CSV as they are filtered, charts as SVG that stands alone, queries that give the rows."""

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
from urllib.parse import quote
from xml.etree import ElementTree

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.query import as_csv, query
from filterscope.jobs.report.render import HERE, slug
from filterscope.jobs.report.sections.facts import units_of
from tests.jobs.report.browsing import Opened
from tests.planted.hostile import CATEGORY, CONCEPT

LAYER = "m/planted/1/index.html"
NUMBERS = ("iou", "q_value", "lift", "effective_images", "instability")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=["light"])
def opened(browser, site, request):
    made = Opened(browser, site.as_uri(), viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    yield made
    made.assert_quiet()
    made.page.context.close()


def section(page, heading):
    """Return the section under a heading, with its menu open."""
    found = page.locator("main section", has=page.locator("h2", has_text=re.compile(f"^{re.escape(heading)}$")))
    found.evaluate("section => section.closest('details')?.setAttribute('open', '')")  # the bars of a layer are folded
    menu = found.locator("> details.get")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    return found


def downloaded(page, found, label):
    with page.expect_download() as waiting:
        found.get_by_role("button", name=label).click()
    return waiting.value


def table(page, found, label):
    """Return the rows of a CSV file, the first of them its head, and check how it is written."""
    file = downloaded(page, found, label)
    assert file.suggested_filename.endswith(".csv")
    with open(file.path(), "rb") as stream:
        raw = stream.read()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))


def copied(found, label="Copy query"):
    """Return the run and the statement of the command that a section copies, as a shell would hand them on."""
    found.get_by_role("button", name=label).click()
    found.locator(".get code:not([hidden])").wait_for()
    command = found.locator(".get code").inner_text()
    said = subprocess.run(
        ["bash", "-c", f"filterscope() {{ printf '%s\\0' \"$@\"; }}; {command}"], capture_output=True, check=True
    )
    verb, run, sql, end = said.stdout.decode().split("\0")
    assert (verb, end) == ("query", "")
    return run, sql


FILTERS = [
    "",
    "search=rim&sort=iou",
    "search=1&sort=iou&reverse=1",
    f"category={quote(CATEGORY)}",
    f"concept={quote(CONCEPT)}",
    "verdict=labelled&sort=iou",
    "verdict=strong&sort=unit",
    "verdict=no label&sort=iou",
    f"verdict=no label&sort=iou&category={quote(CATEGORY)}",
    "least=0.1&sort=unit&reverse=1",
    "sort=q_value",
    "sort=lift&reverse=1",
    "sort=instability",
    "sort=effective_images",
    "least=2",
    "least=2&verdict=chance",
]


def test_the_units_of_a_layer_are_downloaded_and_queried_as_they_are_filtered(opened, hostile_run):
    page = opened.goto(LAYER)
    found = section(page, "Units")
    units = {str(row["unit"]): row for row in units_of(hostile_run, "planted", "1").to_dicts()}
    counts = []
    for said in FILTERS:
        page.evaluate("hash => { window.location.hash = hash; return new Promise(requestAnimationFrame); }", said)
        shown = page.locator("#rows .row").evaluate_all("rows => rows.map(row => row.dataset.unit)")
        counts.append(len(shown))
        head, *rows = table(page, found, "List as CSV")
        assert [row[head.index("unit")] for row in rows] == shown
        for row in rows:
            unit = units[row[0]]
            for name in NUMBERS:
                value = row[head.index(name)]
                assert (float(value) if value else None) == unit[name], (said, name)  # in full precision
            for name in ("concept", "category", "standing"):
                assert row[head.index(name)] == (unit[name] or ""), (said, name)
        run, sql = copied(found)
        assert run == str(hostile_run)
        frame = query(hostile_run, sql)
        asked = [str(unit) for unit in frame["unit"]]
        assert asked == shown, said
        for name in ("concept", "standing", *NUMBERS):
            assert frame[name].to_list() == [units[unit][name] for unit in asked], (said, name)
    assert set(counts) == {0, 1, 2, 3}


def visible(page, selector):
    """Return the texts of the rows of a table that are shown, mark by mark of the first column."""
    rows = page.locator(f"{selector} tbody tr").evaluate_all(
        "rows => rows.filter(row => !row.hidden).map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return [[cell.replace("\xa0", " ") for cell in row] for row in rows]


def test_the_list_of_concepts_is_downloaded_and_queried_as_it_is_filtered_and_sorted(opened, hostile_run):
    page = opened.goto("concepts.html")
    for search in ("", "RIM", "script", "it's"):
        page.get_by_label("Search").fill(search)
        page.get_by_role("button", name="images").click()
        found = section(page, "All concepts")
        head, *rows = table(page, found, "Table as CSV")
        assert head[:4] == ["concept", "category", "images", "units"]
        shown = visible(page, "#concepts")
        assert [[f"{row[0]} {row[1]}", *row[2:]] for row in rows] == [
            [re.sub(r"\s+", " ", cells[0]), *("" if cell == "–" else cell for cell in cells[1:])] for cells in shown
        ]
        frame = query(hostile_run, copied(found)[1])
        assert sorted(map(str, frame.select("concept", "category", "images", "units").rows())) == sorted(
            str((row[0], row[1], int(row[2]), int(row[3]))) for row in rows
        )


def test_a_concepts_units_and_images_are_downloaded_and_queried(opened, hostile_run):
    page = opened.goto(f"c/{slug(CONCEPT)}.html")
    for heading, wanted in (("Units that detect it", ["0 0", "1 0"]), (f"Best {CATEGORY} of other units", ["1 1"])):
        found = section(page, heading)
        head, *rows = table(page, found, "List as CSV")
        assert head == ["model", "layer", "unit", "iou", "label", "standing"]
        assert found.locator(".row .unit").all_inner_texts() == wanted
        assert [f"{row[1]} {row[2]}" for row in rows] == wanted
        frame = query(hostile_run, copied(found)[1])
        assert [list(map(str, row)) for row in frame.rows()] == rows
    head, *rows = table(page, section(page, "Images that hold it"), "List as CSV")
    assert len(rows) == page.locator(".images > li").count()
    assert 'it\'s "<img src=x onerror=alert(2)>"-0.png' in {row[1] for row in rows}


def test_what_a_unit_is_best_at_is_downloaded_and_queried(opened, hostile_run):
    page = opened.goto("m/planted/1/0.html")
    found = section(page, "Best concepts")
    head, *rows = table(page, found, "Table as CSV")
    frame = query(hostile_run, copied(found)[1])
    pairs = schemas.scan_unit_concept(hostile_run).filter(pl.col("iou") > 0, layer="1", unit=0).collect()
    assert frame.height == pairs.height == len(rows)
    assert [row[0] for row in rows] == frame["concept"].to_list()
    assert [row[head.index("I")] for row in rows] == [str(value) for value in frame["intersection"]]
    found = section(page, "Strongest images")
    head, *rows = table(page, found, "List as CSV")
    frame = query(hostile_run, copied(found)[1])
    assert [tuple(map(str, row[:2])) for row in frame.rows()] == [tuple(row[:2]) for row in rows]
    assert [float(row[2]) for row in rows] == frame["maximum"].to_list()


def test_the_layers_are_downloaded_and_queried(opened, hostile_run):
    page = opened.goto("index.html")
    found = section(page, "Layers")
    head, *rows = table(page, found, "Table as CSV")
    frame = query(hostile_run, copied(found)[1])
    assert [row[head.index("layer")] for row in rows] == ["1", "0"]  # the deepest first; the query sorts by name
    rows.reverse()
    assert [row[head.index("layer")] for row in rows] == frame["layer"].to_list()
    for name in ("units", "over 0.04", "unique", "dead", "saturated"):
        column = {"over 0.04": "over_cutoff"}.get(name, name)
        assert [row[head.index(name)] for row in rows] == [str(value) for value in frame[column]], name
    assert [f"{value:.4f}" for value in frame["median_iou"]] == [row[head.index("median IoU")] for row in rows]


def test_a_comparison_is_downloaded_as_it_is_filtered(browser, comparison, hostile_run):
    opened = Opened(browser, comparison.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("index.html")
    page.get_by_label("Search").fill("rim")
    found = section(page, "Concepts that stand")
    head, *rows = table(page, found, "Table as CSV")
    assert head[:3] == ["concept", "category", "note"]
    assert [row[:3] for row in rows] == [["wheel rim", "part", "on both sides"]]
    (iou,) = units_of(hostile_run, "planted", "1").filter(unit=1)["iou"]
    assert rows[0][3:5] == [f"unit 1 IoU {iou:.3f} 1 unit stands", "strong"]
    assert found.get_by_role("button", name="Copy query").count() == 0  # of two runs there is no query
    opened.assert_quiet()
    page.context.close()


def test_the_tables_of_findings_are_downloaded_and_name_the_table_behind_them(opened, hostile_run):
    page = opened.goto("m/planted/1/0.html")
    found = section(page, "Label at other thresholds")
    head, *rows = table(page, found, "Table as CSV")
    assert head[-1] == "IoU" or "IoU" in head
    assert [row[head.index("concept")] for row in rows][3] == CONCEPT
    frame = query(hostile_run, copied(found, "Copy query of the table label_stability")[1])
    kept = schemas.scan_label_stability(hostile_run).filter(layer="1", unit=0).collect()
    assert frame.height == kept.height == len(rows)


@pytest.mark.parametrize(
    ("opened", "place", "heading", "kind"),
    [
        ("light", LAYER, "Units of each concept", "bars"),
        ("dark", LAYER, "Detectors against the number of images", "lines"),
        ("dark", "m/planted/1/0.html", "Activations", "histogram"),
        ("light", "m/planted/1/0.html", "Receptive field", "field"),
        ("light", "index.html", "From layer to layer", "trend"),
        ("dark", "index.html", "1 3 units", "stacked"),
    ],
    indirect=["opened"],
)
def test_a_chart_is_saved_as_svg_that_stands_alone(opened, tmp_path, place, heading, kind):
    page = opened.goto(place)
    found = section(page, heading)
    drawn = found.locator(f"svg.{kind}")
    shapes = drawn.locator("rect:not(.hit), path, line, text").count()
    paint = drawn.locator("rect:not(.hit), path").first.evaluate("shape => getComputedStyle(shape).fill")
    texts = [text for text in drawn.locator("text").all_text_contents() if text]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    file = tmp_path / "chart.svg"
    downloaded(page, found, "Chart as SVG").save_as(file)
    root = ElementTree.parse(file).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text.startswith(drawn.get_attribute("data-chart"))
    assert root.find(f"{SVG}rect").get("fill") == ground
    assert [name for name in ("x", "y", "width", "height") if root.find(f"{SVG}rect").get(name) is None] == []
    elements = list(root.iter())
    assert {element.tag for element in elements} <= {
        SVG + name for name in ("svg", "title", "desc", "g", "rect", "path", "line", "text")
    }
    assert not [name for element in elements for name in element.attrib if name in ("class", "href", "src", "tabindex")]
    assert "var(" not in file.read_text()
    made = [e for e in elements if e.tag.removeprefix(SVG) in ("rect", "path", "line", "text")]
    assert len(made) - 1 >= shapes
    assert set(texts) <= {text.text for text in root.iter(f"{SVG}text")}
    assert root.findall(f"{SVG}text")  # its title, in sight
    page.goto(file.as_uri())  # with no style of a page
    again = page.locator("rect, path").evaluate_all(
        "shapes => shapes.slice(1).map(shape => getComputedStyle(shape).fill)"
    )
    assert paint in again
    sizes = page.evaluate(
        "[...document.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize))"
    )
    assert min(sizes) >= 11
    opened.failed.clear()
    opened.address = "file://"


NAMES = ["=1+1", "+a", "-b", "@c", '"quoted", twice', "two\nlines", "-0.5", "1,234", "é 字", ""]


def page_of(folder, names, sql=None, run="runs/first"):
    """Write a page with a table of names, and the scripts of a report."""
    from markupsafe import escape

    shutil.copytree(HERE / "static", folder / "static", dirs_exist_ok=True)
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{n}</td></tr>' for n, name in enumerate(names))
    asked = "" if sql is None else f' data-sql="{escape(sql)}"'
    (folder / "index.html").write_text(
        f'<!doctype html><html lang="en" data-root="" data-run="{escape(run)}"><title>T</title>'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="static/style.css">'
        '<link rel="stylesheet" href="static/charts.css">'
        f"<main><section><h2>Names</h2><table{asked}><thead><tr><th>name</th><th>n</th></tr></thead><tbody>{rows}</tbody>"
        '</table></section></main><script src="static/dom.js"></script><script src="static/files.js"></script>'
        '<script src="static/download.js"></script>'
    )
    return folder


def test_cells_that_spreadsheets_would_run_are_text(browser, tmp_path):
    """As by `--safe`; and cells with quotes, commas and line breaks are read back as they are."""
    opened = Opened(browser, page_of(tmp_path, NAMES).as_uri())
    page = opened.goto("index.html")
    head, *rows = table(page, section(page, "Names"), "Table as CSV")
    safe = as_csv(pl.DataFrame({"name": NAMES}), safe=True)
    expected = [row[0] if row else "" for row in csv.reader(io.StringIO(safe))][1:]
    assert head == ["name", "n"]
    assert [row[0] for row in rows] == [
        "-0.5" if name == "-0.5" else want.replace("\n", " ") for name, want in zip(NAMES, expected, strict=True)
    ]
    assert [row[0][0] for row in rows[:4]] == ["'"] * 4
    page.context.close()


@pytest.mark.parametrize(
    ("run", "sql"),
    [
        ("runs/first", "select unit from units where concept = 'it''s'"),
        ("my runs/first", 'select "unit" from units'),
        ("$HOME/`id`", "select '$(touch stolen) `touch stolen` \\ ! \"' as x"),
        ("it's", "select 'it''s $HOME' as x"),
    ],
)
def test_a_shell_hands_a_copied_query_on_as_it_is(browser, tmp_path, run, sql):
    opened = Opened(browser, page_of(tmp_path, ["a"], sql, run).as_uri())
    found = section(opened.goto("index.html"), "Names")
    assert copied(found) == (run, sql)
    command = found.locator(".get code").inner_text()
    assert shlex.split(command) == ["filterscope", "query", run, sql]
    found.page.context.close()


def test_a_query_with_control_characters_is_not_given_away(browser, tmp_path):
    opened = Opened(browser, page_of(tmp_path, ["a"], "select '\x1b[2J' as x").as_uri())
    page = opened.goto("index.html")
    found = section(page, "Names")
    found.get_by_role("button", name="Copy query").click()
    assert "control characters" in found.get_by_role("status").inner_text()
    assert found.locator(".get code").is_hidden()
    page.context.close()


def test_the_menu_works_by_keyboard_and_puts_the_query_on_the_clipboard(browser, tmp_path):
    page_of(tmp_path, ["a"], "select 1 as x")
    opened = Opened(browser, tmp_path.as_uri(), permissions=["clipboard-read", "clipboard-write"])
    page = opened.goto("index.html")
    menu = page.locator("details.get")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    assert menu.get_attribute("open") is not None
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy query"
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.get [role=status]').textContent === 'Copied:'")
    assert page.evaluate("navigator.clipboard.readText()") == 'filterscope query runs/first "select 1 as x"'
    page.keyboard.press("Escape")
    assert menu.get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    menu.locator("summary").click()
    page.locator("h2").click()
    assert menu.get_attribute("open") is None
    opened.assert_quiet()
    page.context.close()


def test_lists_hold_their_rows_as_json(site):
    """Names that try to break a page stay in their attributes."""
    text = (site / "c" / f"{slug(CONCEPT)}.html").read_text()
    rows = re.findall(r"<li class=\"row\" data-row='([^']*)'", text)
    assert rows
    assert all(json.loads(row)[4] in (CONCEPT, "grey", "wheel rim") for row in rows)
    assert CONCEPT in {json.loads(row)[4] for row in rows}
    assert "<script>alert" not in text
