"""Pictures in a browser: each opens large, by mouse, keyboard and touch; its page and the grid of all lead on."""

import re

import pytest

from filterscope.jobs.report.render import slug
from tests.jobs.report.browsing import Opened, assert_accessible
from tests.jobs.report.pages import called
from tests.planted.hostile import CATEGORY, CONCEPT, FILE

UNIT = "m/planted/1/0.html"


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def desktop(request, browser, site):
    made = Opened(browser, site.as_uri(), viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    yield made
    made.assert_quiet()
    made.page.context.close()


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def phone(request, browser, site):
    size = {"width": 390, "height": 844}
    made = Opened(browser, site.as_uri(), viewport=size, color_scheme=request.param, has_touch=True, is_mobile=True)
    yield made
    made.assert_quiet()
    made.page.context.close()


def shown(page):
    """Return the number of the image that the dialog shows, and where it is in its list."""
    said = page.locator("dialog header p").inner_text()
    return int(re.search(r"image (\d+)", said)[1]), re.search(r"(\d+) of (\d+)", said).groups()


def wait_for(page, place):
    page.wait_for_function(f"(document.querySelector('dialog header p')?.textContent || '').includes(' {place} of ')")


def numbers(page, selector):
    return page.locator(f"{selector} a.opens").evaluate_all(
        "all => all.map(a => Number(a.href.match(/(\\d+)\\.html$/)[1]))"
    )


def test_from_a_unit_to_an_image_opened_large_to_its_page_and_back(desktop, site):
    page = desktop.goto(UNIT)
    images = numbers(page, ".images")
    assert len(images) == 15
    page.locator(".images a.opens").nth(1).click()
    wait_for(page, 2)
    assert shown(page) == (images[1], ("2", "15"))
    page.keyboard.press("ArrowRight")
    wait_for(page, 3)
    assert shown(page) == (images[2], ("3", "15"))
    page.get_by_role("button", name="Previous image").click()
    wait_for(page, 2)
    page.keyboard.press("Home")
    wait_for(page, 1)
    assert page.get_by_role("button", name="Previous image").is_disabled()
    assert page.locator("dialog h2").inner_text() == FILE.format(images[0])
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.url.endswith(UNIT)
    page.wait_for_function(f"(document.activeElement.href || '').endsWith('/i/{images[0]}.html')")
    page.keyboard.press("Enter")
    wait_for(page, 1)
    page.locator("dialog h2 a").click()
    page.wait_for_url(f"**/i/{images[0]}.html")
    assert page.locator("h1").inner_text() == FILE.format(images[0])
    page.go_back()
    page.wait_for_url(f"**/{UNIT}")
    assert page.locator(".images a.opens").count() == 15


def test_what_lies_over_an_image_is_switched_on_and_off(desktop, site):
    page = desktop.goto(UNIT)
    page.locator(".images a.opens").first.click()
    wait_for(page, 1)
    (image,) = numbers(page, ".images")[:1]
    _, facts = called(site / "i" / f"{image}.js")
    outline = {name: path for name, _, _, path in facts["concepts"]}
    line = page.locator(".images .line").first.get_attribute("d")
    assert page.locator(".stage .line").get_attribute("d") == line
    assert page.locator(".stage .truth").get_attribute("d") == outline[CONCEPT]
    assert page.locator(".stage .dim").count() == 1
    assert page.locator(".stage .map").count() == 0
    page.get_by_role("checkbox", name="heat map").check()
    page.wait_for_selector(".stage .map")
    threshold = page.locator(".legend-line").inner_text().split("T = ")[1].split()[0]
    assert float(page.locator(".scale b").inner_text().split("= ")[1]) == pytest.approx(float(threshold), rel=0.005)
    page.get_by_role("checkbox", name="dimmed elsewhere").uncheck()
    page.get_by_role("checkbox", name="above T").uncheck()
    page.get_by_role("checkbox", name="annotated as").uncheck()
    assert page.locator(".stage svg > *, .stage g > *").evaluate_all("all => all.map(one => one.tagName)") == [
        "image",
        "g",
        "image",
    ]
    page.get_by_label("Annotated concept").select_option("grey")
    assert page.locator(".stage .truth").get_attribute("d") == outline["grey"]
    page.keyboard.press("Escape")
    page.locator(".images a.opens").nth(1).click()
    wait_for(page, 2)
    assert page.locator(".stage .map").count() == 1  # what was chosen stays chosen


def test_the_heat_map_is_hottest_where_the_unit_is(desktop):
    """The brightest of 160 x 160 pixels lies inside of the region above T, and none is hotter outside."""
    page = desktop.goto(UNIT)
    page.locator(".images a.opens").first.click()
    wait_for(page, 1)
    page.get_by_role("checkbox", name="heat map").check()
    page.wait_for_selector(".stage .map")
    inside, outside = page.evaluate("""async () => {
      const map = new Image(); map.src = document.querySelector(".stage .map").getAttribute("href"); await map.decode();
      const context = Object.assign(document.createElement("canvas"), { width: 160, height: 160 }).getContext("2d");
      context.drawImage(map, 0, 0);
      const region = new Path2D(document.querySelector(".stage .line").getAttribute("d"));
      const drawn = context.getImageData(0, 0, 160, 160).data;
      const most = [0, 0];
      for (let y = 0; y < 160; y += 1) for (let x = 0; x < 160; x += 1) {
        const held = (dx, dy) => context.isPointInPath(region, x + dx, y + dy, "evenodd");
        if ([[-2, 0], [2, 0], [0, -2], [0, 2]].some(([dx, dy]) => held(dx, dy) !== held(0, 0))) continue;
        const at = held(0, 0) ? 0 : 1;
        most[at] = Math.max(most[at], drawn[4 * (160 * y + x) + 3]);
      }
      return most;
    }""")
    assert inside > outside
    assert inside > 200


def test_strips_take_one_stop_of_the_keyboard_and_the_arrows_lead_on(desktop):
    page = desktop.goto("index.html")
    page.wait_for_selector(".strip.ready a.opens")
    strip = page.locator(".strip.ready").first
    assert strip.locator("a.opens").evaluate_all("all => all.map(a => a.tabIndex)") == [0, -1, -1, -1, -1, -1]
    strip.locator("a.opens").first.focus()
    page.keyboard.press("Enter")
    wait_for(page, 1)
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("End")
    wait_for(page, 6)
    assert shown(page)[1] == ("6", "6")
    page.keyboard.press("+")
    assert "scale(1.4)" in page.locator(".stage svg").get_attribute("style")
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement === document.querySelectorAll('.strip.ready a.opens')[5]")


def test_fingers_step_pinch_and_close(phone):
    page = phone.goto(UNIT)
    page.locator(".images a.opens").first.tap()
    wait_for(page, 1)
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *points):
        found = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

    fingers("touchStart", (x + 80, y))
    fingers("touchMove", (x - 20, y))
    fingers("touchMove", (x - 80, y))
    fingers("touchEnd")
    wait_for(page, 2)
    fingers("touchStart", (x - 30, y), (x + 30, y))
    fingers("touchMove", (x - 60, y), (x + 60, y))
    fingers("touchMove", (x - 90, y), (x + 90, y))
    fingers("touchEnd")
    page.wait_for_function("document.querySelector('.stage svg').style.transform.includes('scale')")
    scale = float(re.search(r"scale\(([\d.]+)\)", page.locator(".stage svg").get_attribute("style"))[1])
    assert scale == pytest.approx(3, rel=0.05)
    assert shown(page)[1][0] == "2"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.wait_for_timeout(500)  # a tap at once after two fingers is no click to a browser
    page.get_by_role("button", name="Close", exact=True).tap()
    page.wait_for_function("!document.querySelector('dialog[open]')")


def test_the_grid_finds_images_by_concept_and_by_name(desktop, site):
    (grid,) = called(site / "images.js")
    holds = {name: [grid["images"][place][0] for place in places] for name, _, _, places in grid["concepts"]}
    page = desktop.goto("index.html")
    page.get_by_role("link", name="Images", exact=True).click()
    page.wait_for_url("**/images.html")
    assert numbers(page, "#grid") == [image for image, *_ in grid["images"]]
    page.get_by_label("Concept", exact=True).fill(CONCEPT.upper())
    assert numbers(page, "#grid") == holds[CONCEPT]
    assert page.locator("#count").inner_text().startswith(f"{len(holds[CONCEPT])} of {len(grid['images'])} images")
    page.reload()
    assert numbers(page, "#grid") == holds[CONCEPT]
    page.locator("#grid a.opens").first.click()
    wait_for(page, 1)
    assert page.locator(".stage .truth").count() == 1
    page.keyboard.press("Escape")
    page.get_by_label("File name").fill(FILE.format(holds[CONCEPT][1]))
    assert numbers(page, "#grid") == [holds[CONCEPT][1]]
    page.get_by_label("Concept", exact=True).fill("no such thing")
    assert page.locator("#count").inner_text() == "No image matches."


def test_the_page_of_an_image_draws_the_annotations_that_are_chosen(phone, site):
    (grid,) = called(site / "images.js")
    image = next(grid["images"][places[0]][0] for name, _, _, places in grid["concepts"] if name == CONCEPT)
    _, facts = called(site / "i" / f"{image}.js")
    outline = {name: path for name, _, _, path in facts["concepts"]}
    page = phone.goto(f"i/{image}.html")
    drawn = "all => all.map(one => one.getAttribute('d'))"
    boxes = page.locator("[data-outlines]")
    checked = boxes.evaluate_all("all => all.map(box => [box.getAttribute('aria-label'), box.checked])")
    assert checked == [["outline of grey", True], [f"outline of {CONCEPT}", False]]
    assert page.locator("#picture .outline").evaluate_all(drawn) == [outline["grey"]]
    boxes.nth(1).check()
    assert page.locator("#picture .outline").evaluate_all(drawn) == [outline["grey"], outline[CONCEPT]]
    page.locator("figure a.opens").tap()
    page.wait_for_selector("dialog .stage svg")
    assert page.get_by_role("checkbox", name="heat map").is_disabled()
    page.get_by_label("Annotated concept").select_option(CONCEPT)
    assert page.locator(".stage .truth").get_attribute("d") == outline[CONCEPT]
    page.get_by_role("button", name="Close", exact=True).tap()
    page.locator("section[aria-labelledby=units] table a").first.click()
    page.wait_for_url("**/m/planted/**")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "scheme", "width", "click"),
    [
        (UNIT, "light", 390, ".images a.opens >> nth=1"),
        (UNIT, "dark", 1280, ".images a.opens >> nth=1"),
        ("images.html", "dark", 390, None),
        ("images.html", "light", 1280, "#grid a.opens >> nth=0"),
        ("i/0.html", "light", 390, None),
        ("i/0.html", "dark", 1280, None),
    ],
)
def test_dialog_grid_and_pages_are_accessible_and_fit_the_screen(browser, site, place, scheme, width, click):
    assert_accessible(browser, site, place, scheme, width, click)


def test_a_crop_shows_where_the_network_looks(browser, graph_site):
    """The whole image opens, with the box of 64 x 64 of 96 x 96 pixels that the thumbnail shows."""
    opened = Opened(browser, graph_site.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("m/planted/1/0.html")
    page.locator(".images a.opens").first.click()
    wait_for(page, 1)
    seen = page.locator(".stage .seen").evaluate(
        "box => ['x', 'y', 'width', 'height'].map(name => Number(box.getAttribute(name)))"
    )
    assert seen == pytest.approx([512 / 6, 512 / 6, 512 / 1.5, 512 / 1.5], abs=0.1)
    boxes = page.evaluate("""() => ['.stage .dim', '.stage .seen'].map((name) => {
      const box = document.querySelector(name).getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; })""")
    assert boxes[0] == pytest.approx(boxes[1], abs=2)
    opened.assert_quiet()
    page.context.close()


def test_an_image_that_a_graph_parses_opens(browser, graph_site):
    opened = Opened(browser, graph_site.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto(f"g/planted/{slug(CATEGORY)}.html")
    image = page.locator("[data-parse]").first.locator("b").inner_text()
    page.locator("#parse a.opens").click()
    page.wait_for_selector(".stage .seen")
    assert page.locator("dialog header p").inner_text().startswith(image)
    assert page.locator("dialog button.on").is_disabled()
    opened.assert_quiet()
    page.context.close()
