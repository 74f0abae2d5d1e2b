"""Every count that is a link is the length of the list that the link leads to.

Such a link has `data-count`, what is counted; the list that it leads to has `data-total`: the one in the section that the
address names, or the first of the page.
"""

from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urldefrag, urljoin

import pytest

from filterscope.jobs.report.pages.concepts import UNITS
from tests.jobs.report.pages import called

#: Units that a layer's list shows at a time.
PAGE = 40

LIST = """section => {
  const list = (section && document.querySelector(`section[aria-labelledby="${CSS.escape(section)}"] [data-total]`))
    || document.querySelector("[data-total]");
  return list && {
    total: Number(list.dataset.total), rows: list.children.length,
    labels: [...list.querySelectorAll("a.label")].map(label => label.textContent),
    said: document.getElementById("count")?.textContent ?? null,
  };
}"""


class Counts(HTMLParser):
    """The links of a page that carry a count: their addresses, what they count, and what they say."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "a":
            self._open = "data-count" in named
            if self._open:
                self.found.append([named["href"], int(named["data-count"]), named.get("aria-label") or ""])

    def handle_endtag(self, tag):
        self._open = self._open and tag != "a"

    def handle_data(self, data):
        if self._open:
            self.found[-1][2] += f" {data}"


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_page()


def links(site):
    """Every link with a count as (page, address, count, what it says)."""
    for path in sorted(site.rglob("*.html")):
        for href, count, said in Counts(path.read_text()).found:
            yield path.relative_to(site).as_posix(), urljoin(path.as_uri(), href), count, said


def check(page, site):
    """Follow every link with a count, and return the pages that have any."""
    found = list(links(site))
    lists = {}
    for address in sorted({address for _, address, _, _ in found}):  # those of one page one after the other
        page.goto(address)
        page.wait_for_function("document.querySelector('[data-total]')")
        lists[address] = page.evaluate(LIST, urldefrag(address).fragment)
    for source, address, count, said in found:
        shown = lists[address]
        assert (source, said, count) == (source, said, shown["total"]), address
        assert str(count) in said.replace(",", "").split() or f"{count} units" in said, (source, said)
        filtered = parse_qs(urldefrag(address).fragment)
        if "/m/" in address:
            assert shown["rows"] == min(count, PAGE)
            assert shown["said"].startswith("0 matches" if not count else f"{count:,} "), (source, shown["said"])
            assert set(shown["labels"]) <= set(filtered.get("concept", shown["labels"])), (source, address)
        else:
            assert shown["rows"] == min(count, UNITS)
    return {source for source, _, _, _ in found}


def test_every_count_is_the_length_of_the_list_it_leads_to(page, site):
    sources = check(page, site)
    assert {"index.html", "concepts.html", "m/planted/0/index.html", "m/planted/1/index.html"} <= sources
    assert any(source.startswith("c/") for source in sources)


def test_so_is_every_count_of_a_run_with_graphs(page, graph_site):
    assert "index.html" in check(page, graph_site)


def test_counts_that_the_search_shows_are_those_of_the_concepts_pages(site):
    _, names = called(site / "search" / "names.js")
    for name, _, _, slug, count, _ in names["concepts"]:
        text = (site / "c" / f"{unquote(slug)}.html").read_text()
        assert (f'data-list="labelled" data-total="{count}"' in text) == (count > 0), name
        assert ("No unit is labelled with it." in text) == (count == 0), name


def test_a_filter_for_what_no_unit_has_finds_none_and_can_be_cleared(page, site):
    """A link from a concept's page to a layer none of whose units it labels."""
    page.goto(f"{(site / 'm' / 'planted' / '1' / 'index.html').as_uri()}#concept=zebra")
    page.wait_for_selector("#rows[data-total]", state="attached")
    assert page.evaluate(LIST, "")["total"] == 0
    assert page.locator("#count").inner_text() == "0 matches among 3 units"
    page.get_by_role("button", name="clear filters").click()
    assert page.evaluate(LIST, "")["total"] == 3
    assert page.locator("#clear").is_hidden()
    assert "#" not in page.url
    assert page.evaluate("document.activeElement.name") == "search"
    page.goto(f"{(site / 'concepts.html').as_uri()}#search=zebra")
    assert page.get_by_role("status").first.inner_text() == "0 matches among 3 rows"
    page.get_by_role("button", name="clear filters").click()
    assert page.locator("#concepts tbody tr:not([hidden])").count() == 3
    assert page.get_by_role("status").first.inner_text() == "3 rows"
