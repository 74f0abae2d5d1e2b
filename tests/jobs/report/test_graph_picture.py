"""The picture of a graph in a browser: as many nodes as asked for, nothing lit before a choice, names that do not overlap."""

import pytest

from filterscope.jobs.report.pages import graph as pages
from tests.jobs.report.browsing import GRAPH, Opened, assert_accessible
from tests.jobs.report.pages import called, written_here

#: Places of nodes in the picture, those with a name, and those that are lit.
SHOWN = "filterscope.picture.nodes('[size]').filter(n => n.visible()).map(n => n.data('place'))"
LIT = "filterscope.picture.elements('.near, .hit, .far, .chosen').length"


@pytest.fixture(scope="module")
def stepped(graph_run, tmp_path_factory):
    """The report of a graph whose pictures hold 2 or 4 nodes, the first of them 2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "STEPS", (2, 4))
        patch.setattr(pages, "FIRST", 2)
        return written_here(graph_run, tmp_path_factory.mktemp("stepped") / "site")


@pytest.fixture
def opened(browser, stepped):
    made = Opened(browser, stepped.as_uri(), viewport={"width": 1280, "height": 900})
    yield made
    made.assert_quiet()
    made.page.context.close()


def listed(page):
    """Places of the nodes that the list shows."""
    return page.locator("[data-node]").evaluate_all(
        "all => all.filter(b => b.offsetParent).map(b => Number(b.dataset.node))"
    )


def test_nothing_is_lit_before_a_choice(opened):
    page = opened.goto(GRAPH)
    assert page.evaluate(LIT) == 0
    assert page.locator("[aria-pressed=true]").count() == 0
    assert page.locator("#chosen").inner_text() == "No node chosen"
    page.locator("[data-parse]").first.click()
    assert page.evaluate(LIT) > 0


def test_the_slider_answers_to_keys_and_its_state_is_in_the_address(opened):
    page = opened.goto(GRAPH)
    few = page.evaluate(SHOWN)
    assert len(few) == 2
    slider = page.get_by_label("Nodes in the picture")
    assert slider.get_attribute("aria-valuetext") == "2 nodes"
    slider.focus()
    page.keyboard.press("End")
    most = page.evaluate(SHOWN)
    assert len(most) == 4
    assert set(few) < set(most)
    assert sorted(listed(page)) == sorted(most)
    assert page.url.endswith("#nodes=4")
    assert page.locator("#shown").inner_text().startswith("Shown are 4 of ")
    page.reload()
    page.wait_for_load_state("networkidle")
    assert page.evaluate(SHOWN) == most
    slider.focus()
    page.keyboard.press("Home")
    assert sorted(listed(page)) == sorted(page.evaluate(SHOWN)) == sorted(few)
    assert "nodes=" not in page.url  # where it began


def test_a_node_beyond_the_picture_is_brought_into_it(opened, stepped):
    (data,) = called(stepped / GRAPH.replace(".html", ".js"))
    place = (set(data["steps"][1]["places"]) - set(data["steps"][0]["places"])).pop()
    node = data["nodes"][place]
    layer = data["layers"][node["layer"]]["name"]
    page = opened.goto(f"{GRAPH}#node={layer}%2F{node['unit']}%2F{node['node']}")
    assert place in page.evaluate(SHOWN)
    assert page.evaluate("filterscope.picture.nodes('.chosen').map(n => n.data('place'))") == [place]
    assert page.locator("#chosen").inner_text() == f"{layer} unit {node['unit']} node {node['node']}"
    assert "nodes=4" in page.url


@pytest.mark.parametrize("width", [390, 1280])
def test_names_in_the_picture_overlap_neither_each_other_nor_other_nodes(browser, graph_site, width):
    opened = Opened(browser, graph_site.as_uri(), viewport={"width": width, "height": 844})
    page = opened.goto(GRAPH)
    boxes = page.evaluate("""() => filterscope.picture.nodes().filter(n => n.visible() && n.data('label')).map(n => {
      const box = n.renderedBoundingBox({ includeNodes: false, includeLabels: true, includeOverlays: false });
      return [n.id(), box.x1, box.y1, box.x2, box.y2];
    })""")
    dots = page.evaluate("""() => filterscope.picture.nodes('[size]').filter(n => n.visible()).map(n => {
      const { x, y } = n.renderedPosition(), half = n.renderedWidth() / 2;
      return [n.id(), x - half, y - half, x + half, y + half];
    })""")
    assert len(boxes) > 3
    pairs = [(one, other) for one in boxes for other in boxes if one[0] < other[0]]
    pairs += [(one, dot) for one in boxes for dot in dots if one[0] != dot[0]]

    def overlap(one, other):  # in pixels; outlines of text reach a pixel or two beyond it
        _, left, top, right, bottom = one
        return min(right, other[3]) - max(left, other[1]) > 4 and min(bottom, other[4]) - max(top, other[2]) > 4

    assert [(one[0], other[0]) for one, other in pairs if overlap(one, other)] == []
    opened.assert_quiet()
    page.context.close()


def test_a_pointer_and_the_focus_name_a_node_in_full(opened):
    page = opened.goto(GRAPH)
    pointed = "filterscope.picture.nodes('.pointed').map(n => n.data('place'))"
    place = listed(page)[0]
    page.locator(f"[data-node='{place}']").focus()
    assert page.evaluate(pointed) == [place]
    page.locator(f"[data-node='{place}']").blur()
    assert page.evaluate(pointed) == []
    page.locator("#picture").hover(
        position=page.evaluate(f"filterscope.picture.getElementById('n{place}').renderedPosition()")
    )
    assert page.evaluate(pointed) == [place]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_the_page_with_a_slider_is_accessible_and_fits(browser, stepped, scheme, width):
    assert_accessible(browser, stepped, GRAPH, scheme, width)
