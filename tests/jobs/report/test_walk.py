"""The walk of a reader: overview, a bar, the list it opens, a unit, an image large, its page, and back."""

import re

import pytest

from tests.jobs.report.browsing import Opened

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_from_the_overview_to_an_image_and_back(browser, site, screen, scheme):
    opened = Opened(browser, site.as_uri(), color_scheme=scheme, **screen)
    page = opened.goto("index.html")
    press = (lambda found: found.tap()) if screen is PHONE else (lambda found: found.click())
    press(page.locator("section.card h2 a").first)
    page.wait_for_url("**/m/planted/1/index.html")
    press(page.locator(".fold > summary"))
    bar = page.locator("a.bar").first
    concept, count = bar.get_attribute("aria-label").rsplit(":", 1)[0], int(bar.get_attribute("data-count"))
    press(bar.locator("rect.hit"))
    page.wait_for_function(f"document.querySelectorAll('#rows .row').length === {count}")
    assert page.locator("#rows a.label").all_inner_texts() == [concept] * count
    assert page.locator("#count").inner_text() == f"{count} of 3 units"
    filtered = page.url
    press(page.locator("#rows a.unit").first)
    page.wait_for_url(re.compile(r"/m/planted/1/\d+\.html$"))
    assert page.locator("h1").inner_text().startswith(concept)
    unit = page.url
    press(page.locator(".images a.opens").first)
    page.wait_for_selector("dialog[open] .stage svg image")
    drawn = page.locator("dialog .stage svg").bounding_box()
    assert drawn["width"] > 2 * page.locator(".images a.opens").first.bounding_box()["width"] * 0.9
    name = page.locator("dialog h2 a").inner_text()
    press(page.locator("dialog h2 a"))
    page.wait_for_url("**/i/*.html")
    assert page.locator("h1").inner_text() == name
    page.go_back()
    page.wait_for_url(unit)
    page.go_back()
    page.wait_for_url(filtered)
    page.wait_for_function(f"document.querySelectorAll('#rows .row').length === {count}")  # as it was left
    opened.assert_quiet()
    page.context.close()
