"""Pages of blind spots and influence: partitions with members and purity, curves beside random, views with their labels."""

import re

import pytest

from filterscope.pipeline.methods.influence.findings import strongest, suspects
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import Opened, assert_accessible
from tests.jobs.report.pages import written_here
from tests.planted.spots import write_spots

LAYER = "m/planted/1/index.html"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots")
    asked = {"blind-spots.confidence": 0.2, "blind-spots.clusters": 4, "influence.checks": 4}
    data, model = write_spots(folder), planted.entry("classifier")
    return audit_here(
        folder / "run", data=data, models=[model], layers="1", methods="blind-spots,influence", image_block=32, **asked
    )


@pytest.fixture(scope="module")
def written(audited, tmp_path_factory):
    return written_here(audited, tmp_path_factory.mktemp("site") / "report")


@pytest.fixture
def page(browser, written):
    opened = Opened(browser, written.as_uri(), viewport={"width": 1280, "height": 900})
    yield opened.goto
    opened.assert_quiet()
    opened.page.context.close()


def test_partitions_are_strips_of_members_with_a_bar_of_purity(page):
    found = page("index.html").locator("section[aria-labelledby=partitions-that-are-wrong-most-often] li")
    worst = found.first
    assert "share wrong 0.4000" in re.sub(r"\s+", " ", worst.inner_text())
    widths = worst.locator(".gauge span").evaluate_all("spans => spans.map(span => span.style.width)")
    assert widths == ["40%", "60%"]
    assert "tint=warm" in worst.inner_text()
    assert worst.locator(".views .thumb").count() == 8
    tops = worst.locator(".views .thumb").evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1  # one row


def test_curves_show_all_policies_and_the_interval_of_random(page):
    chart = page("index.html").locator("section[aria-labelledby=unknown-unknowns-against-questions] svg").first
    assert chart.locator("path.band").count() == 1
    assert chart.locator("path.line:not(.key path)").count() >= 6
    keys = " ".join(chart.locator(".key").all_text_contents())
    assert all(
        name in keys for name in ("uub", "random", "least-confident", "most-distant", "greedy", "epsilon", "ucb1")
    )
    assert re.search(r"random [\d.]+ \(\d+ to \d+\)", keys)


def test_training_views_stand_beside_the_test_view_with_labels_and_influence(page, audited):
    rows = strongest(audited, "planted", "1").to_dicts()
    found = page(LAYER).locator("section[aria-labelledby=harmful-and-helpful-training-views] li")
    assert found.count() == min(len(rows), 40)
    for item, row in zip(found.all()[:4], rows, strict=False):
        assert item.locator("figcaption").all_inner_texts() == [one["says"] for one in row["views"]]
        assert item.locator(".thumb").count() == len(row["views"])


def test_suspects_are_a_grid_beside_loss_and_chance(page, audited):
    rows = suspects(audited, "planted", "1").to_dicts()
    found = page(LAYER).locator("section[aria-labelledby=suspected-label-errors] li")
    assert [item.locator("figcaption").count() for item in found.all()] == [40, 16, 16]
    for item, row in zip(found.all(), rows, strict=True):
        assert item.locator("figcaption").all_inner_texts() == [one["says"] for one in row["views"]]
    first = found.first.locator(".thumb").first
    first.click()
    found.page.wait_for_selector("dialog[open] .stage svg image")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", ["index.html", LAYER])
def test_they_are_accessible_and_fit_the_screen(browser, written, place, scheme, width):
    assert_accessible(browser, written, place, scheme, width)
