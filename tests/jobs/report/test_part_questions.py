"""Questions about a part: boxes drawn on a page, templates named, kept over reload, tabs and a dead server, and replayed."""

import csv
import json
import re
import shutil

import pytest

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.findings.ask_parts import PartAsking, answer_parts
from filterscope.jobs.report.ask_parts import write_parts_page
from filterscope.jobs.report.glossary import column_says
from filterscope.jobs.report.questions import held_of
from filterscope.jobs.report.serve import HOST
from filterscope.jobs.report.thumbnails import Look
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.and_or.drawn import FINDINGS
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import Opened, assert_accessible, until_it_says
from tests.jobs.report.pages import written_here
from tests.jobs.report.test_edit_page import begun, count, press, served, settled
from tests.planted.dots import write_birds

DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of birds whose part lies above a dot; nobody was asked."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "data").mkdir()
    write_birds(folder / "data" / "birds", birds=36)
    settings = {"models": [planted.entry("two_layers")], "layers": "3", "metrics": "location", "views": "objects:bird"}
    return audit_here(folder / "run", data=folder / "data" / "birds", **settings)


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def page(run):
    return write_parts_page(PartAsking(run, "above"), run / "pages" / "above.html", 4)


def drag(tab, left, top, right, bottom):
    """Draw a box on the picture, in pixels of the crop."""
    a, d, e, f = tab.evaluate(
        "() => { const m = document.querySelector('#picture svg').getScreenCTM(); return [m.a, m.d, m.e, m.f]; }"
    )
    tab.mouse.move(e + a * left, f + d * top)
    tab.mouse.down()
    tab.mouse.move(e + a * right, f + d * bottom, steps=3)
    tab.mouse.up()


def downloaded(tab, file):
    with tab.expect_download() as loading:
        tab.locator("#download").click()
    loading.value.save_as(file)
    return rows_of(file)


def rows_of(file):
    with file.open(newline="", encoding="utf-8-sig") as opened:
        return list(csv.DictReader(opened))


def given(rows):
    return [" ".join(row[name] for name in ("answer", "template", "y", "x", "height", "width")).split() for row in rows]


def code_of(*arguments):
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    return end.value.code


def test_boxes_are_drawn_undone_reloaded_downloaded_and_taken(browser, run, page, tmp_path, capsys):
    opened = Opened(browser, page.parent.as_uri(), **DESKTOP)
    tab = opened.goto(page.name)
    views = [one["begins"] for one in held_of(page)["questions"]]
    assert tab.locator("#title").inner_text() == "Where is the above?"
    for answer in ("right", "place"):  # nothing was found yet
        assert tab.locator(f"[data-answer={answer}]").is_disabled()
    press(tab, "n")
    until_it_says(tab, "lacks", "Draw a box")
    drag(tab, 10, 20, 16, 28)
    press(tab, "n")
    drag(tab, 30, 20, 20, 10)  # from any corner
    press(tab, "o", "a", "z")  # the only other template is chosen; absent, and taken back
    assert count(tab).startswith("2 of 4 answered")
    tab.wait_for_timeout(500)
    tab.reload()
    assert count(tab).startswith("2 of 4 answered")
    drag(tab, 0, 0, 8, 8)
    press(tab, "n", "a", "ArrowRight", "ArrowRight")  # from the first again
    assert tab.locator("#picture rect.drawn:not(.under)").get_attribute("width") == "8"
    assert tab.locator(".templates button").count() == 2
    first = ["new", "23.5", "12.5", "8", "6"]
    other = ["other", views[0], "14.5", "24.5", "10", "10"]
    rows = downloaded(tab, tmp_path / "answers.csv")
    assert given(rows) == [first, other, ["new", "3.5", "3.5", "8", "8"], ["absent"]]
    press(tab, "ArrowLeft", "ArrowLeft", "a")  # then what names its template is open again
    assert given(downloaded(tab, tmp_path / "changed.csv"))[:2] == [["absent"], []]
    opened.assert_quiet()
    tab.context.close()
    assert code_of("answer", run, tmp_path / "answers.csv") == 0
    said = capsys.readouterr().out
    assert said.startswith("4 answers kept\nabove of bird, 4 answers, 2 templates: ")
    kept = schemas.scan_part_answers(run).sort("number").collect()
    assert kept["answer"].to_list() == [
        "new",
        "new",
        "other",
        "absent",
    ]  # who begins a template comes before who names it
    assert kept["template"].to_list() == [int(views[0]), int(views[2]), int(views[0]), None]
    assert kept["height"].to_list() == [8, 8, 10, None]
    measured = schemas.scan_answered_localization(run).filter(method="person").collect()
    assert measured["answers"].to_list() == [1, 2, 3, 4]


def true_answer(asking, question):
    """Return the box of the landmark: y and x, height and width."""
    parts = asking.pool.parts
    row = parts.views.view.tolist().index(question.view)
    return (*parts.centre[row].tolist(), *parts.size[row].tolist())


def teach(run, tmp_path, budget=3):
    """Answer questions by CSV: the first begins a template, the others belong to it; return the views asked."""
    asking = PartAsking(run, "above")
    questions = asking.questions(budget)
    with (tmp_path / "told.csv").open("w", newline="") as file:
        out = csv.writer(file)
        from filterscope.jobs.findings.ask_parts import COLUMNS

        out.writerow(COLUMNS)
        for number, one in enumerate(questions):
            told = "place" if one.found else "other" if number else "new"
            out.writerow([*one.cells(asking.about), told, questions[0].view if told == "other" else "",
                          *true_answer(asking, one)])  # fmt: skip
    answer_parts(run, tmp_path / "told.csv")
    return [one.view for one in questions]


def test_the_next_page_asks_by_what_was_answered_and_nothing_twice(browser, run, tmp_path):
    seen = teach(run, tmp_path)
    page = write_parts_page(PartAsking(run, "above"), tmp_path / "next.html", 3)
    asked = PartAsking(run, "above").questions(3)
    held = held_of(page)
    assert not {one.view for one in asked} & set(seen)
    assert asked[0].gain == max(one.gain for one in asked)
    assert dict(held["questions"][0]["facts"])["predicted gain"] == f"{asked[0].gain:.3g}"
    assert [one["name"] for one in held["templates"]] == [str(seen[0])]
    opened = Opened(browser, tmp_path.as_uri(), **DESKTOP)
    tab = opened.goto(page.name)
    centre = tab.locator("#picture rect.found:not(.under)")
    left, top = (float(centre.get_attribute(name)) for name in ("x", "y"))
    y, x = asked[0].found
    height, width = asked[0].size
    assert (left, top) == pytest.approx((x + 0.5 - width / 2, y + 0.5 - height / 2), abs=1e-6)
    press(tab, "y")
    tab.locator(".typed summary").click()
    for name, value in (("y", "20"), ("x", "30"), ("height", "8"), ("width", "6")):
        tab.locator(f"#box-{name}").fill(value)
    tab.locator("[data-answer=place]").click()
    press(tab, "o")  # the only template is that by which it was found
    until_it_says(tab, "lacks", "No other template is known")
    rows = downloaded(tab, tmp_path / "answers.csv")
    assert given(rows) == [["right"], ["place", "20", "30", "8", "6"], []]
    opened.assert_quiet()
    tab.context.close()
    assert answer_parts(run, tmp_path / "answers.csv").new == 2
    kept = schemas.scan_part_answers(run).sort("number").collect().rows(named=True)
    assert [(row["answer"], row["template"]) for row in kept[3:]] == [("right", seen[0]), ("place", seen[0])]
    assert (kept[3]["y"], kept[3]["x"]) == pytest.approx(asked[0].found, abs=0.006)
    assert kept[4]["predicted_gain"] == pytest.approx(asked[1].gain, rel=1e-5)
    again = answer_parts(run, tmp_path / "answers.csv")
    assert (again.new, again.known, again.blank) == (0, 2, 1)


@pytest.mark.slow
def test_served_answers_are_saved_by_two_tabs_and_while_the_server_was_dead(browser, run, page):
    with served(run) as server:
        port, opened = server.server_port, begun(browser, server)
        wrong = opened.page.context.browser.new_context().new_page()
        assert wrong.goto(f"http://{HOST}:{port}/above.html?token=guess").status == 403
        wrong.context.close()
        tab = opened.page
        other = tab.context.new_page()
        other.goto(tab.url)
        other.wait_for_load_state("networkidle")
        drag(tab, 10, 20, 16, 28)
        press(tab, "n")
        settled(tab)
        until_it_says(other, "count", "1 of 4")
        press(other, "ArrowRight", "ArrowRight", "a")
        settled(other)
    drag(tab, 30, 20, 20, 10)
    press(tab, "o")  # nobody hears of it
    until_it_says(tab, "saving", "Not saved yet")
    views = [one["begins"] for one in held_of(page)["questions"]]
    told = [["new", "23.5", "12.5", "8", "6"], ["other", views[0], "14.5", "24.5", "10", "10"], ["absent"], []]
    assert given(rows_of(page.with_suffix(".csv"))) == [told[0], [], told[2], []]
    with pytest.raises(
        InputError, match=r"above.answers.json holds 2 answers that the run does not have: `filterscope answer"
    ):
        write_parts_page(PartAsking(run, "above"), page, 4)
    tab.wait_for_timeout(500)
    with served(run, port) as server:
        tab.goto(server.address)
        settled(tab)
        tab.context.close()
    assert given(rows_of(page.with_suffix(".csv"))) == told
    assert code_of("answer", run, page.with_suffix(".csv")) == 0
    # the page is written anew: what it was answered before stays, and is no reason to stop
    write_parts_page(PartAsking(run, "above"), page, 2)
    with served(run) as server:
        opened = begun(browser, server)
        assert count(opened.page) == "0 of 2 answered"
        opened.assert_quiet()
        opened.page.context.close()
    assert len(json.loads(page.with_suffix(".answers.json").read_bytes())["items"]) == 3


def test_every_number_of_what_answers_came_to_says_what_it_is(run, tmp_path):
    teach(run, tmp_path)
    for finding in FINDINGS:
        frame = finding.frame(run)
        assert frame.height or finding.tables[0] == "aog_places"
        numbers = [name for name in frame.columns if frame[name].dtype.is_numeric()]
        assert [name for name in numbers if not column_says(name, finding)] == [], finding.title


@pytest.mark.slow
def test_the_report_draws_templates_on_crops_where_their_patterns_lie(run, tmp_path):
    seen = teach(run, tmp_path)
    text = (written_here(run, tmp_path / "report") / "index.html").read_text()
    for title in ("Parts found after a person", "Error against a person", "And-Or graph of a person"):
        assert title in text
    section = text.partition('id="templates-of-a-person-s-answers-on-crops"')[2].partition("</section>")[0]
    assert f"template {seen[0]}" in section.replace("</b>", "")
    first = section.partition('<g class="marks">')[2].partition("</g>")[0]
    rows = schemas.scan_answered_places(run).filter(parse="annotated").collect()
    asking = PartAsking(run, "above")
    look = Look.of(asking.plan, asking.model)
    scale = look.width / asking.model.transform.input_size[1]
    drawn = [float(found) for found in re.findall(r'<circle class="mark-0" cx="([\d.]+)"', first)]
    assert drawn == pytest.approx([(x + 0.5) * scale for x in rows["x"].explode()], abs=0.06)


def drawn_one(tab):
    drag(tab, 10, 10, 30, 30)
    press(tab, "n", "n")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_the_page_is_accessible_and_fits(browser, page, scheme, width):
    assert_accessible(browser, page.parent, page.name, scheme, width, before=drawn_one)
