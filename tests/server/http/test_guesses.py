"""Who guesses keys is told to wait; who has one passes, also from the same address."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import NewDatabase, served
from toxgrade.errors import TooManyRequests, Unauthorized
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http import guesses
from toxgrade.server.http.guesses import Guesses
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_BAD = "tox_00000000_x"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def guarded(new_sqlite: NewDatabase) -> Iterator[tuple[httpx.Client, str, str]]:
    """A service behind a proxy on this machine, and two keys."""
    url = new_sqlite()
    with transaction(url) as opened:
        one, two = (create_key(opened, name) for name in ("one", "two"))
    with served(Settings(database_url=url)) as client:
        yield client, one, two


def _asked(client: httpx.Client, door: str, key: str, address: str) -> httpx.Response:
    headers = {"X-Forwarded-For": address}
    if door == "/sign-in":
        return client.post(door, data={"key": key}, headers=headers)
    headers["Authorization"] = f"Bearer {key}"
    if door in ("/v1/grade", "/hl7v2", "/fhir/$ctcae-grade", "/cds-services/ctcae-labs"):
        return client.post(door, headers=headers)
    return client.get(door, headers=headers)


@pytest.mark.parametrize(
    "door",
    [
        "/v1/studies",
        "/v1/grade",
        "/hl7v2",
        "/fhir/$ctcae-grade",
        "/cds-services/ctcae-labs",
        "/sign-in",
        "/studies/default",
    ],
)
@pytest.mark.parametrize("bad", [_BAD, "eyJhbGciOiJub25lIn0.e30."])
def test_guesses_are_limited_by_address_at_every_door(
    guarded: tuple[httpx.Client, str, str], door: str, bad: str
) -> None:
    client, one, two = guarded
    assert _asked(client, "/v1/studies", one, "192.0.2.7").status_code == 200
    found = [_asked(client, door, bad, "192.0.2.7") for _ in range(40)]
    statuses = [answer.status_code for answer in found]
    assert statuses[:25] == [401] * 25
    assert statuses[-1] == 429
    assert int(found[-1].headers["Retry-After"]) >= 1
    assert _asked(client, door, bad, "192.0.2.8").status_code == 401  # another address
    for good in (one, two):  # known before, and not yet seen
        assert _asked(client, "/v1/studies", good, "192.0.2.7").status_code == 200


def test_a_key_that_was_good_is_a_guess_once_it_is_not(
    guarded: tuple[httpx.Client, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toxgrade.server.access.credentials.REMEMBERED_SECONDS", 0.0)
    client, one, _ = guarded
    assert _asked(client, "/v1/studies", one, "192.0.2.7").status_code == 200

    def refuse(*_: object) -> None:
        raise Unauthorized("revoked")

    monkeypatch.setattr("toxgrade.server.access.credentials.check_key", refuse)
    statuses = [_asked(client, "/v1/studies", one, "192.0.2.7").status_code for _ in range(40)]
    assert (statuses[0], statuses[-1]) == (401, 429)


def test_a_browser_whose_session_has_ended_signs_in_again_beside_bad_keys(
    guarded: tuple[httpx.Client, str, str],
) -> None:
    """Every page, and the form with a good key, answered 429 as long as it had a cookie."""
    client, one, two = guarded
    address = {"X-Forwarded-For": "192.0.2.7"}
    _asked(client, "/sign-in", one, "192.0.2.7")
    ended = {**address, "Cookie": f"toxgrade_session={client.cookies['toxgrade_session']}"}
    assert client.post("/sign-out", headers=address).status_code == 303
    client.cookies.clear()
    for _ in range(40):
        _asked(client, "/v1/studies", _BAD, "192.0.2.7")
    page = client.get("/studies/default", headers=ended)
    assert page.status_code == 401
    assert 'action="/sign-in"' in page.text
    assert 'action="/sign-in"' in client.get("/sign-in", headers=ended).text
    assert client.post("/sign-out", headers=ended).status_code == 303
    signed_in = client.post("/sign-in", data={"key": two}, headers=ended)
    assert signed_in.status_code == 303
    assert client.get("/studies/default", headers=address).status_code == 200


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:0:1::7", "2001:db8:0:1:ffff::8", True),
        ("2001:db8:0:1::7", "2001:db8:0:2::7", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
    ],
)
@pytest.mark.anyio
async def test_of_ipv6_a_64_is_one_address(first: str, second: str, is_one: bool) -> None:
    limits = Guesses(MACHINE)
    for _ in range(30):
        with pytest.raises(Unauthorized):
            await _guess(limits, first)
    with pytest.raises(TooManyRequests if is_one else Unauthorized):
        await _guess(limits, second)


@pytest.mark.anyio
async def test_the_table_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "_MAX_ADDRESSES", 100)
    limits = Guesses(MACHINE)
    for number in range(1000):
        with pytest.raises(Unauthorized):
            await _guess(limits, f"192.0.{number // 250}.{number % 250}")
    assert len(limits._left) == 100


async def _guess(limits: Guesses, address: str) -> None:
    async with limits.limited(address, was_good=False):
        raise Unauthorized("no such key")
