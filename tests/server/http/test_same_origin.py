"""What a page of another site makes a browser send changes nothing, on any route."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel
from toxgrade.server.access.credentials import create_key
from toxgrade.server.main import create_app
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_OTHER = "this request was sent by a page of another site"
_PATIENT = "/v1/studies/default/patients/P1"
_HL7 = """MSH|^~\\&|LIS|LAB|TOX|RT|20110423080000||ORU^R01|1|P|2.5.1\rPID|1||P1\r
OBR|1|||ALT|||20110423\rOBX|1|NM|ALT||121|U/L|0-40||||F\r"""
_EHR = "https://ehr.example"


@pytest.fixture(scope="module")
def opened(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    """A service that is open to its machine, where a browser needs no cookie to store."""
    settings = Settings(database_url=new_sqlite(), auth="off", cors_origins=(_EHR,))
    with served(settings) as client:
        yield client


def _changing_routes() -> list[tuple[str, str]]:
    """Every route and method that may change something, the pages' and the open ones too."""
    app = create_app(Settings(auth="off"))
    return [
        (method, (context.path or "").replace("{study}", "default"))
        for context in iter_route_contexts(app.routes)
        if isinstance(route := context.original_route, APIRoute)
        for method in sorted((route.methods or set()) - {"GET", "HEAD", "OPTIONS"})
    ]


@pytest.mark.parametrize(("method", "path"), _changing_routes())
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"Origin": "https://evil.example"}, id="Origin"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="Sec-Fetch-Site"),
    ],
)
def test_no_route_is_forgotten(
    opened: httpx.Client, method: str, path: str, sent: dict[str, str]
) -> None:
    answer = opened.request(method, path, headers=sent)
    assert answer.status_code == 403
    assert _OTHER in answer.text


def test_the_routes_are_all_there() -> None:
    routes = _changing_routes()
    assert len(routes) >= 20
    assert {("POST", "/sign-in"), ("POST", "/sign-out"), ("POST", "/hl7v2")} <= set(routes)
    assert ("POST", "/studies/default/batches/{batch}/cancel") in routes


@pytest.mark.parametrize(
    ("sent", "passes"),
    [
        ({}, True),  # a program
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),  # another port or subdomain
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "what may come"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://tox.example"}, False),
        # A proxy may tell us another host than the browser's: what the browser says counts.
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://public.example"}, True),
        ({"Origin": "http://tox.example"}, True),
        ({"Origin": "https://TOX.example"}, True),  # TLS ends at the proxy
        ({"Origin": "http://tox.example", "Host": "tox.example:80"}, True),
        ({"Origin": "http://tox.example:80"}, True),
        ({"Origin": "https://tox.example", "Host": "tox.example:443"}, True),
        ({"Origin": "http://tox.example:8080"}, False),
        ({"Origin": "http://tox.example:443"}, False),
        ({"Origin": "http://tox.example.evil.example"}, False),
        ({"Origin": "http://tox.example@evil.example"}, False),
        ({"Origin": "null"}, False),  # a sandboxed frame, a file
        ({"Origin": ""}, False),
        ({"Origin": "tox.example"}, False),
        ({"Origin": "http://[tox.example"}, False),
    ],
)
def test_what_counts_as_our_own(opened: httpx.Client, sent: dict[str, str], passes: bool) -> None:
    answer = opened.post("/sign-out", headers={"Host": "tox.example"} | sent)
    assert answer.status_code == (303 if passes else 403)


def test_a_message_without_a_preflight_is_not_stored(opened: httpx.Client) -> None:
    """HL7 v2 is taken as text/plain, which any page may have a browser send."""
    text = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
    assert opened.post("/hl7v2", content=_HL7, headers=text).status_code == 403
    assert opened.get(_PATIENT).status_code == 404
    del text["Origin"]
    assert opened.post("/hl7v2", content=_HL7, headers=text).status_code == 200
    assert opened.get(_PATIENT).status_code == 200


def test_what_carries_a_key_is_not_looked_at(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        key = create_key(opened, "ehr")
    sent = {"Authorization": f"Bearer {key}", "Origin": _EHR, "Sec-Fetch-Site": "cross-site"}
    with served(Settings(database_url=url)) as client:
        answer = client.post(f"{_PATIENT}/results", json=panel(), headers=sent)
        assert answer.status_code == 201


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        ("/cds-services/ctcae-labs", _EHR, 400),  # let through, and its body is no hook
        ("/cds-services/ctcae-labs", "https://evil.example", 403),
        ("/v1/grade", _EHR, 403),
    ],
)
def test_declared_browser_clients_reach_the_cds_service(
    opened: httpx.Client, path: str, origin: str, status: int
) -> None:
    sent = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    assert opened.post(path, content=b"{", headers=sent).status_code == status
