"""The report in a browser, from disk and from a web server: quiet, complete, accessible, and it sorts and filters."""

import functools
import http.server
import threading
from pathlib import Path

import pytest

from tests.jobs.conftest import CATEGORY, CONCEPT

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}; apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        found = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS.split())
        yield found
        found.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module", params=["file", "http"])
def address(request, site):
    """Where the site is: on disk, or served."""
    if request.param == "file":
        yield site.as_uri()
        return
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Opened:
    """A page, what it said on the console, and what it asked for."""

    def __init__(self, browser, address, **settings):
        self.address, self.said, self.asked, self.failed = address, [], [], []
        self.page = browser.new_context(**settings).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        # what is still loading when a link is followed is aborted, which is no failure
        self.page.on(
            "requestfailed", lambda request: request.failure != "net::ERR_ABORTED" and self.failed.append(request.url)
        )
        self.page.on("response", lambda response: response.status >= 400 and self.failed.append(response.url))

    def goto(self, place):
        self.page.goto(f"{self.address}/{place}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def assert_quiet(self):
        assert self.said == []
        assert self.failed == []
        assert [url for url in self.asked if not url.startswith(self.address)] == []


@pytest.fixture
def opened(browser, address):
    made = Opened(browser, address, viewport={"width": 1280, "height": 900})
    yield made
    made.assert_quiet()
    made.page.context.close()


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
    page.get_by_label("Evidence").select_option("both")
    assert units_shown(page) == ["1", "0"]
    page.reload()
    assert units_shown(page) == ["1", "0"]
    page.get_by_label("IoU from").fill("1")
    assert units_shown(page) == []
    page.get_by_label("IoU from").fill("")
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


@pytest.mark.parametrize(
    ("place", "scheme", "width"),
    [
        ("index.html", "light", 390),
        ("index.html", "dark", 1280),
        ("concepts.html", "dark", 390),
        ("m/planted/1/index.html", "light", 390),
        ("m/planted/1/0.html", "dark", 390),
        ("c/grey.html", "light", 1280),
    ],
)
def test_pages_are_accessible_and_fit_the_screen(browser, site, place, scheme, width):
    """No serious violation by axe; nothing is wider than the screen."""
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe-core-python is not installed")
    opened = Opened(browser, site.as_uri(), viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = opened.goto(place)
    serious = [
        (violation["id"], [node["html"][:120] for node in violation["nodes"][:3]])
        for violation in axe.Axe().run(page)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    opened.assert_quiet()
    page.context.close()
