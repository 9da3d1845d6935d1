"""Keys, health, and the pages of documentation."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy

from tests.conftest import NewDatabase, served
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings


@pytest.fixture
def guarded(database_url: str) -> Iterator[httpx.Client]:
    with served(Settings(database_url=database_url)) as client:
        yield client


def _key(url: str) -> str:
    with transaction(url) as opened:
        return create_key(opened, "tests")


def test_with_a_key_one_may_and_without_one_may_not(
    guarded: httpx.Client, database_url: str
) -> None:
    key = _key(database_url)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for header in ("", "Bearer", "Bearer x", f"Basic {key}", f"Bearer {wrong}", f"Bearer {key}é"):
        answer = guarded.get("/v1/studies", headers={b"Authorization": header.encode()})
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert key not in answer.text
    answer = guarded.get("/v1/studies", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


def test_only_the_secret_s_hash_is_kept(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    key = _key(url)
    with transaction(url) as opened:
        row = opened.connection.execute(sqlalchemy.text("SELECT * FROM api_keys")).one()
    assert re.fullmatch(r"tox_[0-9a-f]{8}_[\w-]{43}", key)
    assert key.split("_", 2)[2] not in str(row)


def test_health(stateless: httpx.Client) -> None:
    assert stateless.get("/livez").json() == {"status": "alive"}
    assert stateless.get("/readyz").json()["status"] == "ready"


def test_without_its_tables_the_service_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    with served(Settings(database_url=url, auth="off")) as client:
        assert client.get("/livez").status_code == 200
        answer = client.get("/readyz")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        stored = client.post("/v1/studies/default/patients/P1/results", json={"results": []})
        assert stored.status_code == 503


def test_the_documentation_loads_nothing_from_outside(stateless: httpx.Client) -> None:
    page = stateless.get("/docs").text
    assert "https://" not in page
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert stateless.get(asset).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "example.org", "::"])
def test_open_access_is_for_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="only with a loopback"):
        Settings(auth="off", host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_may_be_open(host: str) -> None:
    assert Settings(auth="off", host=host).auth == "off"
