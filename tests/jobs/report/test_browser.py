"""The report in a browser, from disk and from a web server: quiet, complete, accessible, and it sorts and filters."""

import pytest

from tests.jobs.report.browsing import GRAPH, Opened, addressed, assert_accessible
from tests.planted.hostile import CATEGORY, CONCEPT


@pytest.fixture(scope="module", params=["file", pytest.param("http", marks=pytest.mark.slow)])
def graph_address(request, graph_site):
    """Where the site of the run with a graph is."""
    with addressed(graph_site, request.param) as found:
        yield found


def test_from_the_overview_to_a_unit(opened):
    page = opened.goto("index.html")
    page.wait_for_selector(".strip.ready .thumb .line", state="attached")
    page.get_by_role("link", name="unit 0").first.click()
    assert page.locator("h1").inner_text().startswith(CONCEPT)
    assert page.locator("h1 .category").inner_text() == CATEGORY
    assert page.locator(".images .thumb").count() == 15
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/1.html")
    assert page.locator("h1").inner_text().startswith("wheel rim")
    page.get_by_role("link", name="wheel rim").first.click()
    page.wait_for_url("**/c/wheel-rim-*.html")
    assert page.locator(".rows .row").count() >= 1


def units_shown(page):
    return page.locator("#rows .row").evaluate_all("rows => rows.map(row => row.dataset.unit)")


def test_a_layer_sorts_filters_searches_and_keeps_it_in_the_address(opened):
    page = opened.goto("m/planted/1/index.html")
    by_iou = units_shown(page)
    assert sorted(by_iou) == ["0", "1", "2"]
    assert by_iou[2] == "2"
    page.get_by_label("Sort by").select_option("unit")
    assert units_shown(page) == ["0", "1", "2"]
    page.get_by_label("reversed").check()
    assert units_shown(page) == ["2", "1", "0"]
    page.get_by_label("Category").select_option(CATEGORY)
    assert units_shown(page) == ["0"]
    assert page.locator("#count").inner_text() == "1 of 3 units"
    page.get_by_label("Category").select_option("")
    page.get_by_label("Search").fill("RIM")
    assert units_shown(page) == ["1"]
    page.get_by_label("Search").fill("")
    page.locator("select[name=verdict]").select_option("strong")
    assert units_shown(page) == ["1", "0"]
    page.reload()
    assert units_shown(page) == ["1", "0"]
    page.get_by_label("IoU from").fill("1")
    assert units_shown(page) == []
    page.get_by_label("IoU from").fill("")
    page.locator(".fold > summary").click()
    page.locator("a.bar", has_text=CONCEPT[:10]).locator("rect.hit").click()
    page.wait_for_function("document.querySelectorAll('#rows .row').length === 1")
    assert units_shown(page) == ["0"]


def test_the_tables_sort_and_filter(opened):
    page = opened.goto("concepts.html")
    names = "rows => rows.filter(row => !row.hidden).map(row => row.cells[0].querySelector('a').textContent)"
    rows = page.locator("#concepts tbody tr")
    assert set(rows.evaluate_all(names)) == {CONCEPT, "wheel rim", "grey"}
    page.get_by_role("button", name="concept").click()
    assert rows.evaluate_all(names) == sorted([CONCEPT, "wheel rim", "grey"])
    page.get_by_role("button", name="concept").click()
    assert rows.evaluate_all(names) == sorted([CONCEPT, "wheel rim", "grey"], reverse=True)
    page.get_by_label("Search").fill("rim")
    assert rows.evaluate_all(names) == ["wheel rim"]


@pytest.fixture
def graph(browser, graph_address):
    made = Opened(browser, graph_address, viewport={"width": 1280, "height": 900})
    yield made
    made.assert_quiet()
    made.page.context.close()


def test_a_graph_answers_a_click_in_the_picture_and_in_the_list(graph):
    page = graph.goto(GRAPH)
    at = page.evaluate("filterscope.picture.getElementById('n1').renderedPosition()")
    page.locator("#picture").click(position=at)
    chosen = page.locator("[data-node='1']")
    assert chosen.get_attribute("aria-pressed") == "true"
    named = chosen.locator("span").first.inner_text().split("\n")[0]
    assert page.locator("#chosen").inner_text().endswith(named)
    assert page.locator("img.patches").evaluate("image => image.decode().then(() => image.naturalWidth)") == 576
    page.locator("[data-node='0']").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("filterscope.picture.nodes('.chosen').map(node => node.id())") == ["n0"]
    lower = page.locator("#node .ties button").first
    said = lower.inner_text()
    lower.click()
    assert page.locator("#chosen").inner_text() == said
    assert page.evaluate("document.activeElement.id") == "chosen"


def test_a_node_has_a_permalink_from_the_page_of_its_unit(graph):
    page = graph.goto("m/planted/1/0.html")
    link = page.locator("section[aria-labelledby=nodes] tr", has_text="yes").first.get_by_role("link")
    name = link.inner_text()
    link.click()
    page.wait_for_url("**/g/planted/**")
    page.wait_for_load_state("networkidle")
    assert page.locator("#chosen").inner_text() == f"1 unit 0 {name}"
    page.get_by_role("link", name="unit 0", exact=True).click()
    page.wait_for_url("**/m/planted/1/0.html")
    graph.goto(GRAPH + "#node=1%2F0%2F99")
    assert "left out" in page.locator("#node").inner_text()


def test_an_image_lights_the_nodes_that_it_triggers(graph):
    page = graph.goto(GRAPH)
    page.locator("[data-parse]").last.click()
    hits = page.locator("[data-parse]").last.inner_text().split("\n")[-1].split()[0]
    assert page.locator("#parse circle").count() == int(hits)
    assert page.evaluate("filterscope.picture.nodes('.hit').length") == int(hits)
    assert page.locator("#parse image").count() == 1


def test_a_comparison_sorts_filters_and_leads_to_units(browser, comparison, site):
    opened = Opened(browser, comparison.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("index.html")
    names = "rows => rows.filter(row => !row.hidden).map(row => row.cells[0].dataset.value)"
    rows = page.locator("#concept-table tbody tr")
    assert set(rows.evaluate_all(names)) == {CONCEPT, "wheel rim"}
    page.get_by_role("button", name="concept").click()
    assert rows.evaluate_all(names) == sorted([CONCEPT, "wheel rim"])
    page.get_by_role("button", name="concept").click()
    assert rows.evaluate_all(names) == sorted([CONCEPT, "wheel rim"], reverse=True)
    page.get_by_label("Search").fill("RIM")
    assert rows.evaluate_all(names) == ["wheel rim"]
    opened.assert_quiet()  # nothing outside of its own folder, until a link is followed
    rows.locator("visible=true").get_by_role("link", name="unit 1", exact=True).first.click()
    page.wait_for_url(f"{site.as_uri()}/m/planted/1/1.html")
    assert opened.said == opened.failed == []
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_a_comparison_is_accessible_and_fits_the_screen(browser, comparison, scheme, width):
    assert_accessible(browser, comparison, "index.html", scheme, width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "scheme", "width"),
    [
        (GRAPH, "light", 1280),
        (GRAPH, "dark", 390),
        ("m/planted/1/0.html", "light", 390),
        ("m/planted/3/0.html", "dark", 1280),
        ("m/planted/1/index.html", "dark", 390),
        ("index.html", "dark", 390),
    ],
)
def test_pages_about_graphs_are_accessible_and_fit_the_screen(browser, graph_site, place, scheme, width):
    assert_accessible(browser, graph_site, place, scheme, width, click="[data-node='0']")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "scheme", "width"),
    [
        ("index.html", "light", 390),
        ("index.html", "dark", 1280),
        ("concepts.html", "dark", 390),
        ("m/planted/1/index.html", "light", 390),
        ("m/planted/1/index.html", "dark", 1280),
        ("m/planted/1/0.html", "dark", 390),
        ("m/planted/1/1.html", "light", 1280),
        ("c/grey.html", "light", 1280),
    ],
)
def test_pages_are_accessible_and_fit_the_screen(browser, site, place, scheme, width):
    assert_accessible(browser, site, place, scheme, width)
