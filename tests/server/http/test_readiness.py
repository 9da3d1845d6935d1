"""``/readyz`` is 503 where nothing could be stored, says why, and recovers without a restart."""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel
from toxgrade.server.http import readiness
from toxgrade.server.records.db.failures import DAMAGED, NO_RIGHTS, READ_ONLY
from toxgrade.server.records.db.sqlite_file import REPLACED
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import grant
from toxgrade.server.settings import Settings

_RESULTS = "/v1/studies/default/patients/P1/results"


@pytest.fixture(autouse=True)
def _hardly_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_FRESH_SECONDS", 0.05)
    monkeypatch.setattr(readiness, "_REFUSED_SECONDS", 0.05)


def _open(url: str, **more: object) -> Settings:
    return Settings.model_validate({"database_url": url, "auth": "off", **more})


def _file(url: str) -> Path:
    return Path(make_url(url).database or "")


@pytest.fixture
def sqlite(new_sqlite: NewDatabase) -> Iterator[tuple[httpx.Client, Path]]:
    """A service that has stored a panel, and its database's file."""
    url = new_sqlite()
    with served(_open(url)) as client:
        assert client.post(_RESULTS, json=panel()).status_code == 201
        yield client, _file(url)


def _reason(client: httpx.Client) -> str | None:
    """Why the service is not ready; None: it is."""
    time.sleep(0.1)
    answer = client.get("/readyz")
    return None if answer.status_code == 200 else str(answer.json()["detail"])


def test_it_names_its_parts(api: httpx.Client) -> None:
    answer = api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "migration", "uploads"}
    assert answer.json()["uploads"] == "ready"


def test_a_removed_file_takes_no_results(sqlite: tuple[httpx.Client, Path]) -> None:
    client, file = sqlite
    away = file.with_suffix(".away")
    file.rename(away)
    assert _reason(client) == REPLACED
    refused = client.post(_RESULTS, json=panel())
    assert (refused.status_code, refused.json()["detail"]) == (503, REPLACED)
    assert "Retry-After" not in refused.headers
    assert client.get("/v1/studies").status_code == 503
    assert client.get("/").headers["Content-Type"].startswith("text/html")
    away.rename(file)
    assert _reason(client) is None
    assert client.post(_RESULTS, json=panel()).status_code == 201


def test_another_file_in_its_place_is_not_opened(sqlite: tuple[httpx.Client, Path]) -> None:
    client, file = sqlite
    away = file.with_suffix(".away")
    file.rename(away)
    shutil.copy(away, file)
    assert _reason(client) == REPLACED
    assert client.post(_RESULTS, json=panel()).status_code == 503
    os.replace(away, file)
    assert _reason(client) is None


def test_damaged_pages_are_found_at_the_start(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with _file(url).open("r+b") as file:  # A page of a table that no request of this test reads.
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096 * 5)
    with served(_open(url)) as client:
        deadline = time.monotonic() + 10
        while _reason(client) is None and time.monotonic() < deadline:
            pass
        assert _reason(client) == DAMAGED


def test_a_damaged_page_that_is_read_is_noticed(sqlite: tuple[httpx.Client, Path]) -> None:
    client, file = sqlite
    content = file.read_bytes()
    with file.open("r+b") as written:
        written.seek(4096)
        written.write(b"\xff" * (len(content) - 4096))
    statuses = {client.get(f"/v1/studies/default/patients/P{n}").status_code for n in range(20)}
    if 503 in statuses:  # What the page cache holds is read from there.
        assert _reason(client) == DAMAGED


def test_a_read_only_postgresql(new_postgresql: NewDatabase) -> None:
    url = new_postgresql()
    name = make_url(url).database
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with (
        served(_open(url)) as client,
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other,
    ):
        assert client.post(_RESULTS, json=panel()).status_code == 201
        for value, reason in (("on", READ_ONLY), ("off", None)):
            alter = f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"
            other.execute(f"SET default_transaction_read_only = off; {alter}".encode())
            other.execute(end.encode())
            assert _reason(client) == reason
            assert client.post(_RESULTS, json=panel()).status_code == (503 if reason else 201)


def test_sessions_begun_while_postgresql_was_read_only_do_not_last(
    new_postgresql: NewDatabase,
) -> None:
    """A session keeps the default that it began with; an administrator ends none."""
    url = new_postgresql()
    alter = f"ALTER DATABASE {make_url(url).database}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(f"{alter} SET default_transaction_read_only = on".encode())
        with served(_open(url)) as client:
            assert client.post(_RESULTS, json=panel()).status_code == 503
            assert client.get(_RESULTS.replace("results", "grades")).status_code == 503
            assert _reason(client) == READ_ONLY
            other.execute(f"{alter} RESET default_transaction_read_only".encode())
            assert _reason(client) is None
            assert client.post(_RESULTS, json=panel()).status_code == 201


def test_a_role_without_rights_is_the_operators(new_postgresql: NewDatabase) -> None:
    url = new_postgresql()
    name = f"weak_{make_url(url).database}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(f"CREATE ROLE {name} LOGIN".encode())
        other.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}".encode())
        weak = make_url(url).set(username=name).render_as_string(hide_password=False)
        with served(_open(weak)) as client:
            assert _reason(client) == NO_RIGHTS
            assert client.post(_RESULTS, json=panel()).status_code == 503
            assert client.post("/v1/grade", json=panel()).status_code == 200
            with transaction(url) as opened:
                grant(opened.read(), name)
            assert _reason(client) is None
            assert client.post(_RESULTS, json=panel()).status_code == 201


def test_without_a_folder_for_uploads_everything_else_works(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with served(_open(new_sqlite(), batches_dir=blocked / "batches")) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert answer.json()["uploads"] == "TOXGRADE_BATCHES_DIR is not a folder"


def test_a_thousand_calls_try_once(
    sqlite: tuple[httpx.Client, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, file = sqlite
    monkeypatch.setattr(readiness, "_FRESH_SECONDS", 60.0)
    time.sleep(0.1)
    client.get("/readyz")
    log = file.with_name(f"{file.name}-wal")
    before = log.stat().st_size
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: client.get("/readyz").status_code, range(1000)))
    assert found == {200}
    assert log.stat().st_size == before
