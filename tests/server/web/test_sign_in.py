"""Pages with access on: a browser signs in with a key; the cookie opens pages and nothing else."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_RESULTS = "/v1/studies/default/patients/P1/results"


@pytest.fixture(scope="module")
def url(new_sqlite: NewDatabase) -> str:
    return new_sqlite()


@pytest.fixture(scope="module")
def key(url: str) -> str:
    with transaction(url) as opened:
        return create_key(opened, "reviewer", "manager", ["default"])


@pytest.fixture
def browser(url: str, key: str) -> Iterator[httpx.Client]:
    """A client that keeps cookies, and has none yet."""
    with served(Settings(database_url=url)) as client:
        yield client


def _sign_in(browser: httpx.Client, key: str) -> httpx.Response:
    return browser.post("/sign-in", data={"key": key})


def test_a_page_asks_for_a_key_and_the_form_opens_it(browser: httpx.Client, key: str) -> None:
    assert 'action="/sign-in"' in browser.get("/sign-in").text
    refused = browser.get("/studies/default/audit")
    assert refused.status_code == 401
    assert '<form method="post" action="/sign-in"' in refused.text
    signed_in = _sign_in(browser, key)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/")
    cookie = signed_in.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Max-Age=28800"))
    assert browser.get("/").status_code == 200
    bearer = {"Authorization": f"Bearer {key}"}
    assert browser.post(_RESULTS, json=panel(), headers=bearer).status_code == 201
    audit = browser.get("/studies/default/audit")
    assert audit.status_code == 200
    assert "POST /v1/studies/{study}/patients/{patient}/results" in audit.text
    browser.post("/sign-out")
    assert browser.get("/").status_code == 401


def test_where_access_is_off_nobody_needs_a_key(stateless: httpx.Client) -> None:
    page = stateless.get("/sign-in").text
    assert "action=" not in page
    assert "no sign-in is needed" in page


def test_the_cookie_opens_pages_only(browser: httpx.Client, key: str) -> None:
    """What another site could make a browser send stores nothing and reads nothing."""
    _sign_in(browser, key)
    assert browser.get("/v1/studies").status_code == 401
    assert browser.post(_RESULTS, json=panel()).status_code == 401


def test_one_goes_on_to_the_page_that_asked(browser: httpx.Client, key: str) -> None:
    origin = str(browser.base_url).rstrip("/")
    for referer, leads_to in (
        (f"{origin}/studies/default?after=3", "/studies/default"),
        (f"{origin}/sign-in", "/"),
        ("https://evil.example/studies", "/"),
        (f"{origin}//evil.example", "/"),
        (f"{origin}/\\evil.example", "/%5Cevil.example"),
        (f"{origin}?/studies", "/"),
        ("http://[evil.example/studies", "/"),
        ("nothing of that kind", "/"),
    ):
        answer = browser.post("/sign-in", data={"key": key}, headers={"Referer": referer})
        assert answer.headers["Location"] == leads_to


@pytest.mark.parametrize("wrong", ["", "tox_01234567_" + "x" * 43, "a.b.c", "é"])
def test_a_wrong_key_opens_nothing(browser: httpx.Client, wrong: str) -> None:
    answer = _sign_in(browser, wrong)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert not wrong or wrong not in answer.text
