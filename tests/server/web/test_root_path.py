"""Under a path of its host, behind a proxy that takes the path off: every page, link and script."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.conftest import NewDatabase, served
from tests.ports import free_port
from tests.server.web.conftest import watched
from toxgrade.demo import load_demo
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_ROOT = "/apps/toxgrade"


@dataclass(frozen=True)
class _Hosted:
    """The service behind the proxy: its address there, and a manager's key."""

    url: str
    key: str


class _Links(HTMLParser):
    """Where a page leads and what it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("href", "src", "action", "data-spec", "data-patients")
        self.found |= {value for name, value in attrs if name in names and value}


@contextmanager
def _proxied(to: str) -> Iterator[str]:
    """What nginx does by ``location /apps/toxgrade/ { proxy_pass http://…/; }``; our address."""

    async def forward(request: Request) -> Response:
        url = to + request.scope["path"].removeprefix(_ROOT)
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.request(
                request.method, url, params=request.scope["query_string"].decode() or None,
                headers=request.headers.raw, content=await request.body(),
            )  # fmt: skip
        told = Response(answer.content, answer.status_code)
        of_answer = [
            (k.lower(), v) for k, v in answer.headers.raw if k.lower() != b"content-length"
        ]
        told.raw_headers += of_answer
        return told

    port = free_port()
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[Route(_ROOT + "{path:path}", forward, methods=methods)])
    config = uvicorn.Config(app, port=port, log_level="warning", date_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}{_ROOT}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def hosted(new_sqlite: NewDatabase) -> Iterator[_Hosted]:
    """The demo behind the proxy, with access on."""
    url = new_sqlite()
    load_demo(url)
    with transaction(url) as opened:
        key = create_key(opened, "reviewer", "manager", ["demo"])
    with (
        served(Settings(database_url=url, root_path=_ROOT)) as service,
        _proxied(str(service.base_url).rstrip("/")) as address,
    ):
        yield _Hosted(address, key)


@pytest.fixture
def page(browser: Browser, hosted: _Hosted) -> Iterator[Page]:
    yield from watched(browser, hosted.url + "/")


def test_every_link_stays_below_the_path(hosted: _Hosted) -> None:
    """All that can be reached from the first page, without pictures in their four formats."""
    host = hosted.url.removesuffix(_ROOT)
    seen, to_open = set[str](), {f"{_ROOT}/", f"{_ROOT}/sign-in"}
    with httpx.Client(base_url=host, timeout=30) as client:
        assert client.post(f"{_ROOT}/sign-in", data={"key": hosted.key}).status_code == 303
        while to_open:
            path = to_open.pop()
            seen.add(path)
            answer = client.get(path, follow_redirects=True)
            assert answer.status_code in (200, 405), path  # 405: only a form leads there
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            places = {urljoin(path, found) for found in _Links(answer.text).found}
            assert [place for place in places if not place.startswith(f"{_ROOT}/")] == []
            to_open |= {urlsplit(place).path for place in places if _is_page(place)} - seen
    assert {f"{_ROOT}/studies/demo/patients/P13", f"{_ROOT}/docs"} <= seen


def _is_page(place: str) -> bool:
    last = urlsplit(place).path.rpartition("/")[2]
    return "." not in last or place.startswith((f"{_ROOT}/static", f"{_ROOT}/criteria"))


def test_signing_in_a_picture_and_an_upload(page: Page, hosted: _Hosted, tmp_path: Path) -> None:
    page.goto("sign-in")
    page.get_by_label("Key").fill(hosted.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{hosted.url}/")
    (cookie,) = page.context.cookies()
    assert cookie["path"] == _ROOT
    page.goto("studies/demo/pictures/butterfly")
    expect(page.locator(".picture")).to_have_attribute("data-drawn", "", timeout=20_000)
    labs = tmp_path / "labs.csv"
    labs.write_text("patient,analyte,value,unit,lln,uln,collected\nP1,ALT,90,U/L,,40,2011-04-01\n")
    page.goto("studies/demo/batches")
    page.locator("input[type=file]").first.set_input_files(labs)
    page.get_by_role("button", name="Grade and store").click()
    expect(page).to_have_url(re.compile(f"{hosted.url}/studies/demo/batches/\\w+"))


def test_addresses_in_answers(hosted: _Hosted) -> None:
    bearer = {"Authorization": f"Bearer {hosted.key}"}
    with httpx.Client(headers=bearer, timeout=30) as client:
        labs = b"patient,analyte,value,unit,lln,uln,collected\nP2,ALT,90,U/L,,40,2011-04-01\n"
        batches = f"{hosted.url}/v1/studies/demo/batches"
        stored = client.post(batches, content=labs, headers={"Content-Type": "text/csv"})
        assert stored.headers["Location"].startswith(f"{_ROOT}/v1/studies/demo/batches/")
        assert client.get(urljoin(batches, stored.headers["Location"])).status_code == 200
        openapi = client.get(f"{hosted.url}/openapi.json").json()
        assert openapi["servers"] == [{"url": _ROOT}]
        told = client.get(f"{hosted.url}/fhir/metadata").json()
        assert told["implementation"]["url"] == f"{hosted.url}/fhir"
        unknown = client.get(f"{hosted.url}/fhir/Patient/1")
        assert (unknown.status_code, unknown.json()["resourceType"]) == (404, "OperationOutcome")
        docs = client.get(f"{hosted.url}/docs")
        assert "script-src 'self' 'unsafe-inline'" in docs.headers["content-security-policy"]


@pytest.mark.parametrize("wrong", ["toxgrade", "/toxgrade/", "/", "/a b", "https://ehr.example"])
def test_what_is_no_path(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected a path such as /toxgrade"):
        Settings(root_path=wrong)
