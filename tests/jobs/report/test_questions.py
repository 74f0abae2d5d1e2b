"""Questions on a page: answered by key and button, undone, kept over a reload and in two tabs, and taken by `answer`."""

import base64
import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.findings.ask import answer, ask
from filterscope.jobs.report.ask import write_ask_page
from filterscope.jobs.report.questions import MOST, Choice, Question, Sheet, write_questions
from filterscope.pipeline.engine.errors import InputError
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import Opened, assert_accessible, until_it_says
from tests.planted.spots import EACH, is_wrong, write_spots

HOSTILE = '</script><img src=x onerror=alert(1)>,"red"\u2028 & =1+1'
CHOICES = Choice("right", "Yes", "y"), Choice("wrong", "No", "n"), Choice("unsure", "Unsure", "u")
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


def picture(level):
    sink = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), level, np.uint8)).save(sink, "WEBP")
    return sink.getvalue()


def written(folder, count=4, subject="s", name="plain"):
    """Write a page about no run."""
    questions = [
        Question(
            str(n), f"Is it {name} {n}?", (("file", name),), picture(40 * n), (512, 341),
            (0.25, 0.25, 0.5, 0.5) if n == 1 else (), "grey" if n == 2 else "", (str(n), name),
        )
        for n in range(count)
    ]  # fmt: skip
    sheet = Sheet(
        subject, f"About {name}", f"Look at {name}.", CHOICES, ("n", "name", "answer"), "own.csv", "take own.csv"
    )
    write_questions(folder / "questions.html", sheet, questions)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run in which the first five images of each group have a true class on file."""
    folder = tmp_path_factory.mktemp("asked")
    model = {**planted.entry("classifier"), "classes": str(folder / "classes.csv")}
    with (folder / "classes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("index", "name"), (0, "grey"), (1, HOSTILE), (2, "crane"), (3, "crane")])
    asked = {"blind-spots.confidence": 0.2, "blind-spots.clusters": 4}
    data = write_spots(folder, labelled=lambda number: number % EACH < 5)
    return audit_here(folder / "run", data=data, models=[model], layers="1", methods="blind-spots", **asked)


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


class Asking:
    """A page of questions in a tab."""

    def __init__(self, opened):
        self.opened, self.page = opened, opened.goto("questions.html")

    @property
    def place(self):
        return self.page.locator("#place").inner_text()

    @property
    def count(self):
        return self.page.locator("#count").inner_text()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def reload(self):
        """Reload as a person does; what is stored goes to another process, which a reload within milliseconds may overtake."""
        self.page.wait_for_timeout(1500)
        self.page.reload()

    def rows(self):
        """Download the answers; return the text and its rows."""
        with self.page.expect_download() as loading:
            self.page.locator("#download").click()
        text = loading.value.path().read_bytes().decode("utf-8-sig")
        return loading.value, list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def tab(browser, tmp_path):
    """Open a folder's page in a context of its own, and check at the end that it was quiet."""
    opened = []

    def of(folder, **settings):
        opened.append(Opened(browser, folder.as_uri(), **{**DESKTOP, **settings}))
        return Asking(opened[-1])

    yield of
    for one in opened:
        one.assert_quiet()
        one.page.context.close()


def test_answer_undo_reload_download(tab, tmp_path):
    asking = tab(written(tmp_path))
    assert (asking.place, asking.count) == ("Question 1 of 4", "0 of 4 answered")
    asking.press("y")
    asking.page.get_by_role("button", name="No").click()
    assert (asking.place, asking.count) == ("Question 3 of 4", "2 of 4 answered: yes 1, no 1, unsure 0")
    asking.press("z")
    assert (asking.place, asking.count) == ("Question 2 of 4", "1 of 4 answered: yes 1, no 0, unsure 0")
    asking.press("u")
    asking.reload()
    assert (asking.place, asking.count) == ("Question 3 of 4", "2 of 4 answered: yes 1, no 0, unsure 1")
    asking.press("z", "n")  # what was done before the reload is undone too
    asking.press("ArrowRight")
    assert asking.place == "Question 4 of 4"
    file, rows = asking.rows()
    assert file.suggested_filename == "own.csv"
    assert rows == [{"n": str(n), "name": "plain", "answer": said} for n, said in enumerate(["right", "wrong", "", ""])]


def test_an_answer_can_be_changed_and_the_change_undone(tab, tmp_path):
    asking = tab(written(tmp_path))
    asking.press("y", "y", "ArrowLeft")
    pressed = asking.page.locator("#choices button[aria-pressed=true]")
    assert (asking.place, pressed.inner_text()[:3]) == ("Question 2 of 4", "Yes")
    asking.press("n")
    assert asking.count == "2 of 4 answered: yes 1, no 1, unsure 0"
    asking.press("Backspace")
    assert asking.count == "2 of 4 answered: yes 2, no 0, unsure 0"
    asking.press("u", "y", "n")
    assert asking.count == "4 of 4 answered: yes 2, no 1, unsure 1. Nothing is left to answer."


def test_a_key_that_is_held_down_answers_once(tab, tmp_path):
    asking = tab(written(tmp_path))
    for _ in range(3):
        asking.page.keyboard.down("y")  # the second and third are repeats
    asking.page.keyboard.up("y")
    asking.press("Control+y", "Alt+n")
    assert asking.count.startswith("1 of 4")


def test_two_tabs_keep_each_others_answers(tab, tmp_path):
    asking = tab(written(tmp_path))
    beside = Asking.__new__(Asking)
    beside.opened, beside.page = asking.opened, asking.page.context.new_page()
    beside.page.goto(f"{asking.opened.address}/questions.html")
    beside.press("ArrowRight", "ArrowRight", "n")
    until_it_says(asking.page, "count", "1 of 4")
    asking.press("y", "u")
    until_it_says(beside.page, "count", "3 of 4")
    beside.press("z", "z")  # its own answer alone
    until_it_says(asking.page, "count", "2 of 4")
    beside.press("n")
    for one in (asking, beside):
        assert [row["answer"] for row in one.rows()[1]] == ["right", "unsure", "wrong", ""]


def test_answers_are_kept_by_what_they_are_about(browser, tmp_path):
    """Another page about the same subject knows them; one about another, though its questions are named alike, does not."""
    for name, subject in (("one", "s"), ("again", "s"), ("other", "t")):
        (tmp_path / name).mkdir()
        written(tmp_path / name, subject=subject)
    opened = Opened(browser, tmp_path.as_uri(), **DESKTOP)
    counts = []
    for name in ("one", "again", "other"):
        page = opened.goto(f"{name}/questions.html")
        counts.append(page.locator("#count").inner_text())
        page.keyboard.press("y")
        page.wait_for_timeout(1500)  # what is stored goes to another process: see `Asking.reload`
    assert counts == ["0 of 4 answered", "1 of 4 answered: yes 1, no 0, unsure 0", "0 of 4 answered"]
    opened.assert_quiet()
    page.context.close()


def test_a_browser_that_keeps_nothing_is_told_of(tab, tmp_path, browser):
    opened = Opened(browser, written(tmp_path).as_uri(), **DESKTOP)
    opened.page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage']) "
        "Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    asking = Asking(opened)
    assert asking.page.locator("#unkept").is_visible()
    asking.press("y", "n", "z", "u")
    assert [row["answer"] for row in asking.rows()[1]] == ["right", "unsure", "", ""]
    opened.assert_quiet()
    asking.page.context.close()
    assert not tab(tmp_path).page.locator("#unkept").is_visible()


def test_what_is_kept_by_another_hand_is_no_answer(tab, tmp_path):
    asking = tab(written(tmp_path))
    asking.page.evaluate(
        "localStorage.setItem('filterscope/s/0', '<b>maybe</b>'); sessionStorage.setItem('filterscope/s/undo', '{')"
    )
    asking.reload()
    assert (asking.place, asking.count) == ("Question 1 of 4", "0 of 4 answered")
    asking.press("y")
    assert asking.count.startswith("1 of 4")


def test_the_picture_is_large_and_frames_what_is_asked_about(tab, tmp_path):
    asking = tab(written(tmp_path))
    box = asking.page.locator("#picture svg").bounding_box()
    assert box["width"] > 600
    assert box["height"] > 500
    assert asking.page.locator("#picture rect").count() == 0
    asking.press("ArrowRight")
    frame = asking.page.locator("#picture rect:not(.under)")
    assert [frame.get_attribute(name) for name in ("x", "y", "width", "height")] == ["128", "85.25", "256", "170.5"]
    assert "what the frame holds" in asking.page.locator("#picture figcaption").inner_text()
    asking.press("ArrowRight")
    assert asking.page.locator("#picture figcaption").inner_text() == "grey"


def test_names_are_text_and_nothing_is_asked_for(tab, tmp_path):
    asking = tab(written(tmp_path, name=HOSTILE))
    asking.press("y", "y")
    assert asking.page.locator("#title").text_content() == f"Is it {HOSTILE} 2?"
    assert asking.page.locator("#facts dd").text_content() == HOSTILE
    assert asking.page.locator("img").count() == 0
    assert asking.rows()[1][0] == {"n": "0", "name": HOSTILE, "answer": "right"}
    assert set(asking.opened.asked) - {f"{asking.opened.address}/questions.html"} == {
        url for url in asking.opened.asked if url.startswith(("data:", "blob:"))
    }
    text = (tmp_path / "questions.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert set(re.findall(r"https?://[^\"']*", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_the_page_is_accessible_and_fits_the_screen(browser, tmp_path, scheme, width):
    folder = written(tmp_path, name="long" * 40)
    assert_accessible(browser, folder, "questions.html", scheme, width, before=lambda page: page.keyboard.press("y"))


def answer_all(page):
    for key in "nyun":
        page.keyboard.press(key)


def test_the_page_is_accessible_when_all_is_answered(browser, tmp_path):
    assert_accessible(browser, written(tmp_path), "questions.html", "dark", 390, before=answer_all)


def asked(run, page, *more):
    with pytest.raises(SystemExit) as end:
        main(["ask", str(run), "--page", str(page), *more])
    return end.value.code


def held(page):
    return json.loads(re.search(r'id="held">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_what_was_answered_on_a_page_is_kept_and_never_asked_again(tab, run, tmp_path, capsys):
    folder = tmp_path / "pages"
    folder.mkdir()
    page, seen, unsure = folder / "questions.html", set(), set()
    for turn in range(3):
        assert asked(run, page, "--budget", "30", "--policy", "uub") == 0
        assert capsys.readouterr().out.strip() == f"questions: {page}"
        asking = tab(folder)
        asking.page.bring_to_front()  # pages of earlier turns are open, and keys go to the one in front
        views = [int(row["row"][1]) for row in held(page)["questions"]]
        assert not seen & set(views)
        assert (asking.place, asking.count) == (f"Question 1 of {len(views)}", f"0 of {len(views)} answered")
        assert asking.page.locator("#title").text_content() == f"Is it {HOSTILE}?"
        for place, view in enumerate(views):
            unsure |= {view} if place == 2 else set()
            asking.press("u" if place == 2 else "n" if is_wrong(view) else "y")
        file, rows = asking.rows()
        assert [int(row["view"]) for row in rows] == views
        file.save_as(tmp_path / "questions.csv")
        kept = answer(run, tmp_path / "questions.csv")
        assert (kept.new, kept.unsure, kept.blank) == (len(views), 1, 0)
        assert kept.wrong == sum(is_wrong(view) for view in views if view not in unsure)
        seen |= set(views)
        assert answer(run, tmp_path / "questions.csv").known == len(views)
        assert len(seen) == min(30 * (turn + 1), 80)
    assert asked(run, page) == 2
    assert "nothing is left to ask" in capsys.readouterr().err
    rows = schemas.scan_answers(run).collect()
    assert rows["wrong"].null_count() == len(unsure) == 3
    assert {row["view"]: row["wrong"] for row in rows.to_dicts() if row["view"] not in unsure} == {
        view: is_wrong(view) for view in seen - unsure
    }


def test_a_page_asks_what_the_csv_asks(run, tmp_path):
    write_ask_page(run, tmp_path / "q.html", budget=20, policy="ucb1")
    by_csv = ask(run, budget=20, policy="ucb1")
    found = held(tmp_path / "q.html")
    assert found["columns"] == by_csv.columns
    assert [row["row"][:4] for row in found["questions"]] == [[str(v) for v in row[:4]] for row in by_csv.rows()]
    level = 100 + 40 * (by_csv["view"][0] // EACH) + by_csv["view"][0] % EACH % 5
    picture = found["questions"][0]["picture"].removeprefix("data:image/webp;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), (level, 0, 0), atol=4)


@pytest.mark.parametrize(
    ("place", "more", "words"),
    [
        ("questions.csv", [], "a page is an HTML file; name it questions.html"),
        ("notes.html", [], "notes.html exists and is no page of questions"),
        ("q.html", ["--budget", str(MOST + 1)], "a page holds the pictures of its questions, 1,000 at most"),
        ("q.html", ["--budget", "0"], "--budget 0: at least 1 question"),
        ("q.html", ["--policy", "ucb"], "Did you mean 'ucb1'"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused(run, tmp_path, capsys, place, more, words):
    (tmp_path / "notes.html").write_text("mine")
    assert asked(run, tmp_path / place, *more) == 2
    assert words in capsys.readouterr().err
    assert (tmp_path / "notes.html").read_text() == "mine"
    assert not (tmp_path / "q.html").exists()


def test_without_the_images_there_is_no_page(run, tmp_path, monkeypatch):
    monkeypatch.setattr("filterscope.jobs.report.ask.images_at_hand", lambda plan: False)
    with pytest.raises(InputError, match="is not there; `filterscope ask` without it asks by CSV"):
        write_ask_page(run, tmp_path / "q.html", budget=20, policy="ucb1")


def test_open_needs_a_page_and_opens_it(run, tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with pytest.raises(SystemExit) as end:
        main(["ask", str(run), "--open"])
    assert end.value.code == 2
    assert "name one with --page questions.html" in capsys.readouterr().err
    assert asked(run, tmp_path / "q.html", "--open") == 0
    assert opened == [(tmp_path / "q.html").as_uri()]
