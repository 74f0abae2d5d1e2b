"""Every number of the report says what it is: headings of columns of numbers, and facts."""

import re

import pytest

from filterscope.jobs.report.declared import declared
from filterscope.jobs.report.glossary import TERMS, column_says, heading_of, says
from filterscope.jobs.report.pages.graph import categories_of
from filterscope.jobs.report.tables import TableFiles
from filterscope.pipeline.run.folder import RunFolder
from filterscope.schemas.results import TABLES
from tests.jobs.report.browsing import GRAPH
from tests.jobs.report.pages import Page

PERS = ("run", "layer", "unit", "category")


def frames(run, per, finding):
    """Frames of a finding of a run: one, or one for each page that shows it."""
    plan = RunFolder(run).plan()
    if per == "run":
        return [finding.frame(run)]
    if per == "category":
        pages = categories_of(plan, TableFiles(run))
        return [finding.frame(run, page.model.name, page.category) for page in pages]
    return [finding.frame(run, model.name, layer.name) for model in plan.models for layer in model.layers]


def test_every_column_of_numbers_of_a_finding_says_what_it_is(hostile_run, graph_run):
    silent, met = set(), 0
    for run in (hostile_run, graph_run):
        for per in PERS:
            for _, finding in declared(per):
                for frame in frames(run, per, finding):
                    numbers = [name for name in frame.columns if frame[name].dtype.is_numeric()]
                    met += len(numbers)
                    silent |= {(finding.title, name) for name in numbers if not column_says(name, finding)}
    assert silent == set()
    assert met > 100


def test_terms_of_a_finding_name_one_that_there_is():
    headings = {heading_of(finding) for per in PERS for _, finding in declared(per)}
    assert {term.rpartition(".")[0] for term in TERMS if re.search(r"\.[a-z]", term)} <= headings


def test_a_term_is_a_sentence_of_the_glossary_or_of_the_schema():
    assert says("unit_concept.lift") == TABLES["unit_concept"].field("lift").metadata[b"meaning"].decode()
    assert says("by chance") == TERMS["by chance"]
    with pytest.raises(KeyError):
        says("unit_concept.elevation")
    for term, sentence in TERMS.items():
        assert sentence.strip() == sentence, term
        assert not sentence.endswith("."), term


class Headings(Page):
    """Headings of columns and names of facts, each with whether it says what it is and what it heads."""

    def __init__(self, path):
        self.named, self._at, self._lists, self._first = [], None, [], False
        super().__init__(path)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "dl":
            self._lists.append(named.get("class") or "")
        self._first = (tag == "tr") or (self._first and tag not in ("th", "td"))
        if (tag == "dt" and "wide" not in self._lists[-1]) or (
            tag == "th" and named.get("scope") == "col" and named.get("class") != "text"
        ):
            self.named.append([tag, "title" in named, ""])
            self._at = self.named[-1]
        super().handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        if tag == "dl":
            self._lists.pop()
        if tag in ("dt", "th"):
            self._at = None
        super().handle_endtag(tag)

    def handle_data(self, data):
        if self._at:
            self._at[2] += data
        super().handle_data(data)


#: Headings of columns that name their row, and facts that are versions of libraries.
NAMES = {"concept", "layer", "model", "unit", "view", "image", "landmark", "category", "pattern", "node", "from", "method",
         "anchoring", "part", "protocol", "rank"}  # fmt: skip


@pytest.mark.parametrize("place", ["index.html", "concepts.html", "m/planted/1/index.html", "m/planted/1/0.html"])
def test_every_number_on_a_page_has_a_heading_that_says_what_it_is(site, graph_site, place):
    for folder in (site, graph_site):
        page = Headings(folder / place)
        versions = set(re.findall(r"<summary>Versions</summary>.*?</dl>", (folder / place).read_text(), re.DOTALL))
        silent = {text for _, told, text in page.named if not told and text not in NAMES}
        assert {text for text in silent if not any(f"<dt>{text}</dt>" in found for found in versions)} == set()
        assert sum(told for _, told, _ in page.named) > 3


def test_every_number_on_the_page_of_a_graph_does(graph_site):
    assert {text for _, told, text in Headings(graph_site / GRAPH).named if not told} <= NAMES


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()


def test_a_tip_comes_by_pointer_keyboard_and_touch_and_goes(page, site):
    page.goto((site / "m" / "planted" / "1" / "0.html").as_uri())
    tip = page.get_by_role("tooltip")
    lift = says("unit_concept.lift")
    page.locator("#lift").hover()  # the number itself
    tip.wait_for()
    assert tip.inner_text() == lift
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    term = page.locator(".facts dt", has_text="lift")
    page.locator(".facts dt", has_text="effective images").focus()
    page.keyboard.press("Tab")
    assert term.evaluate("term => term === document.activeElement")
    assert tip.inner_text() == lift
    assert term.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Tab")
    assert tip.is_hidden() or tip.inner_text() != lift
    page.keyboard.press("Escape")
    heading = page.locator("table thead th", has_text="P(f,k)")
    heading.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # scrolling takes a tip away
    heading.tap()
    tip.wait_for()
    assert tip.inner_text() == says("unit_concept.association")
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_a_table_that_is_wider_than_a_phone_fades_where_there_is_more(page, site):
    page.goto((site / "index.html").as_uri())
    place = page.locator(".scroll", has=page.locator("#layer-table"))
    page.wait_for_function("document.querySelector('#layer-table').parentElement.dataset.more === 'right'")
    assert "gradient" in place.evaluate("place => getComputedStyle(place).maskImage")
    place.evaluate("place => { place.scrollLeft = 20; }")
    page.wait_for_function("document.querySelector('#layer-table').parentElement.dataset.more === 'left right'")
    place.evaluate("place => { place.scrollLeft = 9999; }")
    page.wait_for_function("document.querySelector('#layer-table').parentElement.dataset.more === 'left'")
    page.set_viewport_size({"width": 2400, "height": 844})
    page.wait_for_function("document.querySelector('#layer-table').parentElement.dataset.more === ''")
    assert place.evaluate("place => getComputedStyle(place).maskImage") == "none"
