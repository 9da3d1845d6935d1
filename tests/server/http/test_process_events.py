"""What a process tells the installation's audit of itself, and where it sends the audit's heads."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel, value
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.sent_heads import send
from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction
from toxgrade.server.settings import Settings

_HEADS = {"*": (3, "a" * 64), "default": (7, "b" * 64)}
_LINES = ["* 3 " + "a" * 64, "default 7 " + "b" * 64]


def _key(url: str, role: str = "admin") -> dict[str, str]:
    on = [] if role == "admin" else ["default"]
    with audited_transaction(url, "test", "make a key", INSTALLATION) as opened:
        return {"Authorization": f"Bearer {create_key(opened, role, role, on)}"}  # type: ignore[arg-type]


def _entries(client: httpx.Client, key: dict[str, str]) -> list[dict[str, Any]]:
    answer = client.get("/v1/audit?limit=1000", headers=key)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


def test_start_sign_in_and_bad_credentials_are_in_the_chain(database_url: str) -> None:
    key = _key(database_url)
    secret = key["Authorization"].removeprefix("Bearer ")
    with served(Settings(database_url=database_url, pull_bearer=SecretStr("s3cret"))) as client:
        for _ in range(3):
            wrong = {"Authorization": "Bearer tox_aaaa_bbbb"}
            assert client.get("/v1/studies", headers=wrong).status_code == 401
        assert client.post("/sign-in", data={"key": secret}).status_code == 303
        assert client.post("/sign-out").status_code == 303
        first = _entries(client, key)
    with served(Settings(database_url=database_url)) as client:
        found = _entries(client, key)
    assert [entry["action"] for entry in first] == [
        "migrate the database", "make a key", "start the service", "POST /sign-in",
        "POST /sign-out",
    ]  # fmt: skip
    (start,) = (entry for entry in first if entry["action"] == "start the service")
    assert "s3cret" not in str(start)
    assert "batches_dir" in start["settings"] or start["settings"] == {}
    (counted,) = (entry for entry in found if entry["action"] == "bad credentials")
    assert (counted["refused"], counted["addresses"]) == (3, 1)
    assert secret not in json.dumps(found)
    assert {entry["study"] for entry in found} == {INSTALLATION}


def test_the_installations_chain_is_for_those_who_may_everything(database_url: str) -> None:
    manager = _key(database_url, "manager")
    with served(Settings(database_url=database_url)) as client:
        assert client.get("/v1/audit", headers=manager).status_code == 403
        assert client.get("/v1/audit").status_code == 401


def test_a_database_that_is_not_there_does_not_keep_the_service_from_starting(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'gone.db'}"
    with served(Settings(database_url=url, auth="off")) as client:
        assert client.get("/livez").status_code == 200


def test_heads_are_added_to_a_file_once(tmp_path: Path) -> None:
    kept = tmp_path / "heads"
    send(str(kept), _HEADS)
    send(str(kept), _HEADS)
    send(str(kept), _HEADS | {"default": (9, "c" * 64)})
    assert kept.read_text().splitlines() == [*_LINES, "default 9 " + "c" * 64]


def test_heads_are_sent_to_syslog() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(10)
        send(f"syslog://127.0.0.1:{log.getsockname()[1]}", _HEADS)
        told = [log.recv(1000).decode() for _ in _HEADS]
    assert [line.partition("toxgrade audit head: ")[2].rstrip("\0") for line in told] == _LINES


def test_the_service_sends_them_and_verification_reads_them(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url, kept = new_sqlite(), tmp_path / "heads"
    settings = Settings(
        database_url=url, auth="off", audit_heads=str(kept), audit_heads_seconds=0.1
    )
    with served(settings) as client:
        path = "/v1/studies/default/patients/P1/results"
        assert client.post(path, json=panel(value())).status_code == 201
        _until(lambda: kept.exists() and "default 1 " in kept.read_text())
    environment = {**os.environ, "TOXGRADE_DATABASE_URL": url}
    verify = [
        str(Path(sys.executable).with_name("toxgrade")),
        "audit",
        "verify",
        "--head",
        str(kept),
    ]
    found = subprocess.run(verify, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    with served(settings) as client:
        age = client.get("/metrics").text.partition("\ntoxgrade_audit_verified_age_seconds ")[2]
    assert 0 <= float(age.split()[0]) < 600


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
