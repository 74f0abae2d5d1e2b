"""Pages of a report in a browser: what they say on the console and ask for, and whether anyone can use them."""

import contextlib
import functools
import http.server
import re
import threading

import pytest

from filterscope.jobs.report.render import slug
from tests.planted.hostile import CATEGORY

#: The page of the graph of `graph_run`.
GRAPH = f"g/planted/{slug(CATEGORY)}.html"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def addressed(folder, scheme):
    """Give the address of a folder: on disk, or served."""
    if scheme == "file":
        yield folder.as_uri()
        return
    handler = functools.partial(_Quiet, directory=str(folder))
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


def assert_accessible(browser, folder, place, scheme, width, click=None, before=lambda page: None):
    """No serious violation by axe; nothing is wider than the screen."""
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe-core-python is not installed")
    opened = Opened(browser, folder.as_uri(), viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = opened.goto(place)
    for button in page.locator(click).all() if click else []:
        button.click()
    before(page)
    page.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true; })")
    serious = [
        (violation["id"], [node["html"][:120] for node in violation["nodes"][:3]])
        for violation in axe.Axe().run(page)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    opened.assert_quiet()
    page.context.close()


def until_it_says(page, element, start):
    """Wait for an element whose text begins so; the page's policy forbids scripts that would wait in it."""
    from playwright.sync_api import expect

    expect(page.locator(f"#{element}")).to_have_text(re.compile("^" + re.escape(start)))
