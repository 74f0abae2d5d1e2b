"""A browser, the first page of a report in it, and a comparison of a run with itself."""

from pathlib import Path

import pytest

from filterscope.jobs.report.pages.comparison import write_comparison
from filterscope.pipeline.methods.comparison.comparison import compare
from tests.jobs.report.browsing import Opened, addressed

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser():
    player = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; apt-get install chromium")
    with player.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS.split())
        yield found
        found.close()


@pytest.fixture(scope="module")
def comparison(hostile_run, site, tmp_path_factory):
    """The page of a comparison of a run with itself, beside the run."""
    folder = tmp_path_factory.mktemp("comparison") / "compared"
    return write_comparison(compare([hostile_run, hostile_run]), folder).parent


@pytest.fixture(scope="module", params=["file", pytest.param("http", marks=pytest.mark.slow)])
def address(request, site):
    """Where the site is: on disk, or served."""
    with addressed(site, request.param) as found:
        yield found


@pytest.fixture
def opened(browser, address):
    made = Opened(browser, address, viewport={"width": 1280, "height": 900})
    yield made
    made.assert_quiet()
    made.page.context.close()
