"""Sessions of the pages over HTTP: the cookie is not the key, and ends when the key or person says.

What the sessions are is tested in ``tests/server/access/test_sessions.py``.
"""

import json
import time
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import select

from tests.conftest import NewDatabase, served
from tests.coroutines import awaited
from tests.server.api.panels import panel
from toxgrade.server.access import credentials
from toxgrade.server.access.credentials import create_key, list_keys, revoke_key
from toxgrade.server.main import create_app
from toxgrade.server.records.db.service_tables import sessions
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_RESULTS = "/v1/studies/default/patients/P1/results"
_EC = ECKey.generate_key("P-256", {"kid": "e1"})


def _new_key(url: str, label: str = "reviewer") -> str:
    with transaction(url) as opened:
        return create_key(opened, label, "manager", ["default"])


def _revoke(url: str) -> None:
    with transaction(url) as opened:
        revoke_key(opened, list_keys(opened.read())[0][0].prefix)


def _sign_in(browser: httpx.Client, key: str) -> str:
    """Sign in, and return the session's token."""
    assert browser.post("/sign-in", data={"key": key}).status_code == 303
    return browser.cookies["toxgrade_session"]


def _opens(browser: httpx.Client, session: str) -> bool:
    """Whether the session opens the pages, and not only the form to sign in."""
    cookie = {"Cookie": f"toxgrade_session={session}"}
    status = browser.get("/studies/default/audit", headers=cookie).status_code
    assert status in (200, 401)
    return status == 200


def test_the_key_is_in_no_cookie_page_address_or_log(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    key = _new_key(database_url)
    with served(Settings(database_url=database_url)) as browser:
        answers = [
            browser.post("/sign-in", data={"key": key}),
            *(browser.get(path) for path in ("/", "/sign-in", "/studies/default/audit")),
            browser.post("/sign-out"),
        ]
    secret = key.split("_", 2)[2]
    for answer in answers:
        assert secret not in f"{answer.headers} {answer.text} {answer.url}"
    assert secret not in "".join(capfd.readouterr())


def test_session_and_key_do_not_stand_for_each_other(database_url: str) -> None:
    key = _new_key(database_url)
    with served(Settings(database_url=database_url)) as browser:
        session = _sign_in(browser, key)
        assert _opens(browser, session)  # It is remembered now, and so is the key.
        bearer = {"Authorization": f"Bearer {session}"}
        assert browser.get("/v1/studies", headers=bearer).status_code == 401
        assert browser.post(_RESULTS, json=panel(), headers=bearer).status_code == 401
        assert browser.get("/studies/default", headers=bearer).status_code == 401
        assert not _opens(browser, key)


def test_the_audit_names_the_key_s_owner(database_url: str) -> None:
    key = _new_key(database_url, "Dr. Who")
    with served(Settings(database_url=database_url)) as browser:
        _sign_in(browser, key)
        browser.get("/studies/default/audit")
        entry = browser.get("/studies/default/audit").text
    assert f"key:{key.split('_')[1]} Dr. Who" in entry


def test_revoking_the_key_ends_the_session(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, settings = _new_key(database_url), Settings(database_url=database_url)
    with served(settings) as browser, served(settings) as another_process:
        session = _sign_in(browser, key)
        monkeypatch.setattr(credentials, "REMEMBERED_SECONDS", 0.5)
        assert _opens(browser, session)
        _revoke(database_url)
        assert not _opens(another_process, session)  # It has never seen the session.
        time.sleep(0.6)
        assert not _opens(browser, session)
        assert 'action="/sign-in"' in browser.get("/sign-in").text


def test_signing_out_ends_the_session_not_only_the_cookie(database_url: str) -> None:
    key, settings = _new_key(database_url), Settings(database_url=database_url)
    with served(settings) as browser, served(settings) as another_process:
        session = _sign_in(browser, key)
        elsewhere = _sign_in(another_process, key)
        browser.post("/sign-out")
        assert "toxgrade_session" not in browser.cookies
        assert not _opens(browser, session)
        assert not _opens(another_process, session)
        assert _opens(another_process, elsewhere)
        assert browser.post("/sign-out").status_code == 303  # again


def test_signing_in_again_ends_the_earlier_session(database_url: str) -> None:
    key = _new_key(database_url)
    with served(Settings(database_url=database_url)) as browser:
        earlier = _sign_in(browser, key)
        later = _sign_in(browser, key)
        assert (_opens(browser, earlier), _opens(browser, later)) == (False, True)
        browser.cookies.clear()
        browser.cookies.set("toxgrade_session", later)
        assert browser.post("/sign-in", data={"key": "no key"}).status_code == 401
        assert _opens(browser, later)  # A failure ends nothing.


def test_signing_in_has_a_price(database_url: str) -> None:
    key = _new_key(database_url)
    with served(Settings(database_url=database_url, rate_per_second=10)) as browser:
        answers = [browser.post("/sign-in", data={"key": key}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert "text/html" in answers[2].headers["Content-Type"]


def test_a_token_of_the_issuer_signs_in_until_it_expires(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(KeySet([_EC]).as_dict(private=False)))
    settings = Settings(
        database_url=database_url, jwt_issuer="https://issuer.example", jwt_audience="toxgrade",
        jwt_keys=str(tmp_path / "keys.json"), jwt_token_url="https://issuer.example/token",
    )  # fmt: skip
    ends = int(time.time()) + 3600
    claims = {
        "iss": "https://issuer.example", "aud": "toxgrade", "sub": "dr-1",
        "exp": ends, "toxgrade_roles": {"default": "manager"},
    }  # fmt: skip
    token = jwt.encode({"alg": "ES256", "kid": "e1"}, claims, _EC, algorithms=["ES256"])
    with served(settings) as browser:
        session = _sign_in(browser, token)
        assert token not in session
        assert _opens(browser, session)
        assert "token:dr-1" in browser.get("/studies/default/audit").text
    with transaction(database_url) as opened:
        (until,) = opened.connection.scalars(select(sessions.c.expires_at))
    assert until.timestamp() == ends  # The token itself is accepted 30 s longer.


@pytest.mark.parametrize(
    ("address", "root", "cookie"),
    [
        ("http://tox.example", None, "toxgrade_session=%s; HttpOnly; Path=/; SameSite=strict"),
        (
            "https://tox.example", None,
            "__Host-toxgrade_session=%s; HttpOnly; Path=/; SameSite=strict; Secure",
        ),
        (
            "https://tox.example", "/apps/tox",
            "__Secure-toxgrade_session=%s; HttpOnly; Path=/apps/tox; SameSite=strict; Secure",
        ),
    ],
)  # fmt: skip
def test_the_cookie_is_as_narrow_as_the_address_allows(
    new_sqlite: NewDatabase, address: str, root: str | None, cookie: str
) -> None:
    url = new_sqlite()
    key, app = _new_key(url), create_app(Settings(database_url=url, root_path=root))

    async def visit() -> None:
        way = httpx.ASGITransport(app, root_path=root or "")
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=way) as browser:
            answer = await browser.post(f"{address}/sign-in", data={"key": key})
            told = answer.headers["Set-Cookie"].replace(" Max-Age=28800;", "")
            token = told.partition("=")[2].partition(";")[0]
            assert told == cookie % token
            browser.cookies.clear()
            for sent, status in ((told.partition(";")[0], 200), (f"other={token}", 401)):
                page = await browser.get(f"{address}/", headers={"Cookie": sent})
                assert page.status_code == status
            gone = (await browser.post(f"{address}/sign-out")).headers["Set-Cookie"]
            assert gone.startswith(f'{cookie.partition("=")[0]}="";')
            assert "Max-Age=0" in gone

    awaited(visit())
