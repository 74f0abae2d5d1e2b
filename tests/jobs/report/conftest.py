"""A browser, and a comparison of a run with itself."""

from pathlib import Path

import pytest

from filterscope.jobs.report.pages.comparison import write_comparison
from filterscope.pipeline.methods.comparison.comparison import compare

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
