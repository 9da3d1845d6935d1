"""Whose address counts: the peer's, or what declared proxies say it is."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel
from toxgrade.server.http.proxies import DeclaredProxies, read_networks
from toxgrade.server.settings import Settings

_PROXIES = "127.0.0.1, 10.1.0.0/16, ::1"


async def _seen(peer: str | None, *headers: tuple[str, str]) -> tuple[str | None, str]:
    """Return the client and the scheme that the application is told."""
    scope: Scope = {
        "type": "http",
        "client": (peer, 1234) if peer else None,
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        seen.update(inner)

    async def nothing() -> dict[str, object]:
        return {}

    async def ignore(_: object) -> None:
        return

    seen: dict[str, object] = {}
    await DeclaredProxies(app, read_networks(_PROXIES))(scope, nothing, ignore)
    client = scope["client"]
    return client and client[0], scope["scheme"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["6.6.6.6"], "192.0.2.7"),  # a stranger's word
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["6.6.6.6, 192.0.2.7"], "192.0.2.7"),  # nginx appends what it saw
        ("127.0.0.1", ["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        ("10.1.2.3", ["192.0.2.7, 127.0.0.1"], "192.0.2.7"),  # two proxies
        ("10.2.0.1", ["192.0.2.7"], "10.2.0.1"),
        ("127.0.0.1", ["10.1.9.9, 127.0.0.1"], "10.1.9.9"),  # nobody but proxies
        ("127.0.0.1", ["<script>alert(1)</script>"], "127.0.0.1"),
        ("127.0.0.1", ["Mrs Miller"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7, unknown"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7:51000"], "192.0.2.7"),
        ("127.0.0.1", ["[2001:DB8::7]:51000"], "2001:db8::7"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        (None, ["192.0.2.7"], None),
    ],
)
@pytest.mark.anyio
async def test_the_right_most_address_that_is_no_proxys_counts(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    headers = [("x-forwarded-for", text) for text in forwarded]
    assert (await _seen(peer, *headers))[0] == client


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        ("127.0.0.1", "https", "https"),
        ("127.0.0.1", "http, https", "https"),
        ("127.0.0.1", "javascript", "http"),
        ("192.0.2.7", "https", "http"),
    ],
)
@pytest.mark.anyio
async def test_only_a_declared_proxy_says_that_it_was_tls(
    peer: str, said: str, scheme: str
) -> None:
    assert (await _seen(peer, ("x-forwarded-proto", said)))[1] == scheme


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("proxies", "sent", "audited"),
    [
        ("127.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "<script>", "127.0.0.1"),
        ("192.0.2.1", "6.6.6.6", "127.0.0.1"),
    ],
)
def test_the_audit_says_where_it_came_from(
    new_sqlite: NewDatabase, proxies: str, sent: str, audited: str
) -> None:
    settings = Settings(database_url=new_sqlite(), auth="off", proxies=proxies)
    with served(settings) as client:
        path = "/v1/studies/default/patients/P1/results"
        headers = {"X-Forwarded-For": sent}
        assert client.post(path, json=panel(), headers=headers).status_code == 201
        entries = client.get("/v1/studies/default/audit").json()["entries"]
    assert entries[0]["from"] == audited


@pytest.mark.parametrize("given", ["*", "proxy.example", "10.1.0.0/40", "10.1.0.7/16", ","])
def test_a_proxy_is_declared_by_address_or_network(given: str) -> None:
    with pytest.raises(ValueError, match="addresses or networks"):
        Settings(proxies=given)


def test_the_scheme_of_a_link_is_the_proxys(stateless: httpx.Client) -> None:
    answer = stateless.get("/fhir/metadata", headers={"X-Forwarded-Proto": "https"})
    assert answer.json()["implementation"]["url"].startswith("https://")
