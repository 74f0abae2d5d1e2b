"""The search box and the menu of layers: what they find leads where it says, by keyboard, from disk and from a server."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.report.pages import search
from filterscope.pipeline.methods.significance.findings import labels
from filterscope.pipeline.run.folder import RunFolder
from tests.jobs.report.browsing import GRAPH, Opened, assert_accessible
from tests.jobs.report.pages import called
from tests.planted.hostile import CATEGORY, CONCEPT


def index(site, name):
    place, data = called(site / "search" / f"{name}.js")
    assert place == f"search/{name}.js"
    return data


def test_the_index_holds_every_layer_concept_and_image(hostile_run, site):
    names = index(site, "names")
    assert names["models"] == ["planted"]
    assert names["layers"] == [[0, "0", 3], [0, "1", 3]]
    units = labels(hostile_run).filter("detector")
    for name, category, kind, slug, count, strong in names["concepts"]:
        mine = units.filter(concept=name)
        assert (count, strong) == (mine.height, mine.filter(standing="strong").height), name
        assert (site / "c" / f"{slug}.html").is_file()
        assert kind.startswith("k-")
        assert category
    assert {row[0] for row in names["concepts"]} == set(schemas.scan_concepts(hostile_run).collect()["concept"])
    assert sum(row[4] for row in names["concepts"]) == units.height > 0
    shown = schemas.scan_top_images(hostile_run).select("image").collect()["image"]
    images = [image for n in range(names["images"]) for image, _ in index(site, f"images-{n}")]
    assert set(shown) <= set(images)
    assert images == sorted(set(images))


def test_units_of_a_concept_are_its_best(hostile_run, site):
    names = index(site, "names")
    order = [row[0] for row in names["concepts"]]
    rows = labels(hostile_run).filter(concept=CONCEPT, detector=True)
    best = [
        [int(row["layer"]), row["unit"], names["standings"].index(row["standing"]), round(row["iou"], 4)]
        for row in rows.to_dicts()
    ]
    found = index(site, f"units-{order.index(CONCEPT) // names['block']}")[order.index(CONCEPT) % names["block"]]
    assert len(found) > 1
    assert found == sorted(best, key=lambda row: (row[2], -row[3], row[0], row[1]))


def test_files_of_the_index_are_of_bounded_size(hostile_run, site, tmp_path, monkeypatch):
    """Images and concepts are cut into files; all of them together are what one file would hold."""
    from filterscope.jobs.report.site import report_stage

    whole = index(site, "images-0"), index(site, "units-0")
    monkeypatch.setattr(search, "IMAGES", 5)
    monkeypatch.setattr(search, "CONCEPTS", 2)
    stage = report_stage(RunFolder(hostile_run).plan(), tmp_path / "site")
    (task,) = [work.task for work in stage.group(stage.keys) if work.task.write is search.write_search]
    written = search.write_search(task.where)
    names = index(tmp_path / "site", "names")
    assert written == len(list((tmp_path / "site" / "search").iterdir()))
    parts = [index(tmp_path / "site", f"images-{n}") for n in range(names["images"])]
    assert max(map(len, parts)) == 5
    assert [image for part in parts for image in part] == whole[0]
    blocks = [index(tmp_path / "site", f"units-{n}") for n in range(-(-len(names["concepts"]) // 2))]
    assert [units for block in blocks for units in block] == whole[1]
    assert names["block"] == 2


def found(page):
    """Titles of groups with the names of their options, once the results are drawn."""
    page.wait_for_selector(".found:not([hidden])")
    return dict(
        page.locator("#found [role=group]").evaluate_all(
            "groups => groups.map(group => [group.firstElementChild.textContent.trim(), "
            "[...group.querySelectorAll('[role=option]')].map(option => option.firstElementChild.textContent)])"
        )
    )


def test_the_search_finds_concepts_units_layers_and_images_by_keyboard(opened):
    page = opened.goto("concepts.html")
    assert not [url for url in opened.asked if "/search/" in url]  # nothing is loaded before it is used
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Find units")
    assert box.evaluate("box => box === document.activeElement")
    box.press_sequentially("RIM")
    assert found(page)["Concepts"] == ["wheel rim"]
    assert found(page)["Units"][0].endswith("unit 1")
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowUp")  # from the box to the last
    page.keyboard.press("ArrowDown")  # and around to the first
    active = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-selected") == "true"
    assert active.inner_text().startswith("wheel rim")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/planted/*/1.html")
    assert page.locator("h1").inner_text().startswith("wheel rim")


def test_a_number_finds_the_unit_of_this_layer_first(opened):
    page = opened.goto("m/planted/0/0.html")
    page.keyboard.press("/")
    page.keyboard.type("unit 2")
    assert found(page)["Units"] == ["0 unit 2", "1 unit 2"]
    page.keyboard.press("ArrowLeft")  # moves in the text, and to no other unit
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/planted/0/2.html")
    page.keyboard.press("/")
    page.keyboard.type("1 2")
    assert found(page)["Units"] == ["1 unit 2"]


def test_what_is_not_there_is_said(opened):
    page = opened.goto("index.html")
    page.keyboard.press("/")
    page.keyboard.type("<b>zebra</b>")
    page.wait_for_selector(".found:not([hidden])")
    assert page.locator(".found [role=status]").inner_text() == "0 matches for “<b>zebra</b>”"
    page.keyboard.press("Escape")
    assert page.locator(".found").is_hidden()
    page.get_by_role("combobox", name="Find units").fill("")
    page.keyboard.type(CONCEPT)
    assert found(page)["Concepts"] == [CONCEPT]


def test_everything_that_is_found_has_a_page(site, browser):
    """Every name in the index, looked for in full, leads to a file of the site."""
    opened = Opened(browser, site.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("index.html")
    page.keyboard.press("/")
    names = index(site, "names")
    images = [name for _, name in index(site, "images-0")[:3]]
    for name in [row[0] for row in names["concepts"]] + [row[1] for row in names["layers"]] + images:
        page.get_by_role("combobox", name="Find units").fill(name)
        page.wait_for_function("name => [...document.querySelectorAll('#found [role=option] span')]"
                               ".some(span => span.textContent === name)", arg=name)  # fmt: skip
        for href in page.locator("#found [role=option]").evaluate_all("options => options.map(option => option.href)"):
            assert Path(unquote(urlparse(href).path)).is_file(), href
    opened.assert_quiet()
    page.context.close()


def choices(page):
    page.locator(".menu summary").click()
    page.wait_for_selector(".menu ul ul a")
    return page.locator(".menu ul ul a")


def test_the_menu_leads_to_the_same_kind_of_page_in_another_layer(opened):
    page = opened.goto("m/planted/1/2.html")
    links = choices(page)
    assert [text.split()[0] for text in links.all_inner_texts()] == ["1", "0"]  # the deepest first
    assert links.first.get_attribute("aria-current") == "page"
    links.last.click()
    page.wait_for_url("**/m/planted/0/2.html")
    opened.goto("m/planted/1/index.html#search=rim")
    choices(page).last.click()
    page.wait_for_url("**/m/planted/0/index.html#search=rim")
    opened.goto("c/grey.html")
    choices(page).first.click()
    page.wait_for_url("**/m/planted/1/index.html#concept=grey")
    opened.goto("index.html")
    choices(page).last.click()
    page.wait_for_url("**/m/planted/0/index.html")
    page.locator(".menu summary").click()
    page.keyboard.press("Escape")
    assert page.locator(".menu").get_attribute("open") is None


def test_graphs_are_found(browser, graph_site):
    opened = Opened(browser, graph_site.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("m/planted/1/0.html")
    page.keyboard.press("/")
    page.keyboard.type(CATEGORY)
    assert CATEGORY in found(page)["Graphs"]
    page.locator("#found [role=option]", has_text=CATEGORY).last.click()
    page.wait_for_url(f"**/{GRAPH}")
    page.locator(".menu summary").click()
    page.wait_for_selector(".menu ul a")
    assert page.locator(".menu ul a").first.get_attribute("aria-current") == "page"
    assert opened.said == opened.failed == []
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("text", "scheme", "width"), [("rim", "light", 390), ("nothing of the kind", "dark", 1280)])
def test_results_are_accessible_and_fit_the_screen(browser, site, text, scheme, width):
    def search(page):
        page.keyboard.press("/")
        page.keyboard.type(text)
        page.wait_for_selector(".found:not([hidden])")

    assert_accessible(browser, site, "concepts.html", scheme, width, before=search)


def test_the_menu_is_accessible_and_fits_a_phone(browser, site):
    assert_accessible(browser, site, "concepts.html", "dark", 390, before=choices)


def test_a_run_with_a_graph_has_it_in_its_index(graph_site):
    names = index(graph_site, "names")
    assert [graph[1] for graph in names["graphs"]] == [CATEGORY]
    assert pl.Series([layer[1] for layer in names["layers"]]).is_in(["1", "3"]).all()
