"""Debian's Chromium before the service with the synthetic cohort."""

import shutil
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.conftest import NewDatabase, missing, served
from toxgrade.demo import load_demo
from toxgrade.server.settings import Settings

_FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    """The service with study ``demo``."""
    url = new_sqlite()
    load_demo(url)
    with served(Settings(database_url=url, auth="off")) as client:
        yield client


@pytest.fixture
def page(browser: Browser, demo: httpx.Client) -> Iterator[Page]:
    """A page of the demo service; fails if its console complains or a request leaves the host."""
    yield from watched(browser, str(demo.base_url))


def watched(browser: Browser, base_url: str, **context: object) -> Iterator[Page]:
    """A page that must not complain in its console, nor load anything from elsewhere."""
    opened = browser.new_context(base_url=base_url, **context)  # type: ignore[arg-type]
    page, seen = opened.new_page(), list[str]()

    def leaves(request: Request) -> bool:
        return not request.url.startswith((base_url, "data:", "blob:"))

    page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url) if leaves(request) else None)
    yield page
    opened.close()
    assert seen == []
