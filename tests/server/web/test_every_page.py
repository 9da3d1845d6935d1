"""What every page keeps: readable by a screen reader, on a phone, in the dark and on paper."""

from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.server.web.conftest import watched

_PAGES = (
    "/", "/studies/demo", "/studies/demo?phase=both", "/studies/demo/behind/acute/any_grade",
    "/studies/demo/pictures/butterfly", "/studies/demo/pictures/shift",
    "/studies/demo/pictures/edish", "/studies/demo/pictures/swimmer",
    "/studies/demo/pictures/incidence", "/studies/demo/patients", "/studies/demo/patients/P13",
    "/studies/demo/batches", "/studies/demo/audit", "/grade", "/criteria/4.03",
    "/criteria/4.03/6.0", "/sign-in",
)  # fmt: skip


@pytest.fixture(scope="module", params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, demo: httpx.Client) -> Iterator[Page]:
    """A page of the demo service in each theme, on a phone's width."""
    base = str(demo.base_url)
    size = {"width": 390, "height": 844}
    yield from watched(browser, base, color_scheme=request.param, viewport=size)


def _open(page: Page, path: str) -> None:
    page.goto(path)
    drawn = page.locator(".picture")
    for number in range(drawn.count()):
        expect(drawn.nth(number)).to_have_attribute("data-drawn", "", timeout=20_000)


@pytest.mark.parametrize("path", _PAGES)
def test_on_a_phone_in_either_theme(themed: Page, path: str) -> None:
    _open(themed, path)
    wide = themed.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{path} is {wide} pixels wide"
    found = Axe().run(themed)
    serious = [
        (fault["id"], node["html"][:200])
        for fault in found.response["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert serious == []


@pytest.mark.parametrize("path", ["/studies/demo", "/studies/demo/pictures/edish"])
def test_on_paper_only_the_content(page: Page, path: str) -> None:
    _open(page, path)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("header.top nav")).to_be_hidden()
    expect(page.locator(".tabs")).to_be_hidden()
    paper = "getComputedStyle(document.documentElement).getPropertyValue('--paper')"
    assert page.evaluate(paper).strip() in ("#fff", "#ffffff")
