"""Killed, full disk, replaced under load: nothing acknowledged is lost, nothing is there twice.

Short here; ``make bench`` runs it with 20 kills of the service and 5 of PostgreSQL.
"""

import os
import random
import resource
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests import postgres
from tests.conftest import FULL, NewDatabase, missing
from tests.crash.running import Running, Sender, running, start, status, stored, until
from tests.server.api.panels import panel, value
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE

_KILLS = 20 if FULL else 2
_RESULTS = "/v1/studies/default/patients/P1/results"


# A result and its grades are one transaction.
_HALF_STORED = text("SELECT count(*) FROM results WHERE id NOT IN (SELECT result_id FROM grades)")


@contextmanager
def _sending(servers: list[Running], senders: int = 4) -> Iterator[list[Sender]]:
    """Clients that send all the while; when the context ends each has its last answer."""
    done = threading.Event()
    found = [Sender([s.port for s in servers], seed) for seed in range(senders)]
    threads = [threading.Thread(target=one.work, args=(done.is_set,)) for one in found]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _check(senders: list[Sender], server: Running, url: str) -> None:
    """Every acknowledged result is there once, nothing is there twice, and the audit is whole."""
    there = Counter(stored(server))
    acknowledged = [one for sender in senders for one in sender.acknowledged]
    assert acknowledged
    assert set(acknowledged) <= there.keys()
    assert set(there.values()) == {1}
    with transaction(url) as opened:
        assert list(verify(opened.read(), MACHINE.now())) == []
        assert not opened.connection.scalar(_HALF_STORED)


def _wait_for_more(senders: list[Sender], more: int = 20) -> None:
    """Let the load run: until so many more results are acknowledged."""
    least = sum(len(one.acknowledged) for one in senders) + more
    until(lambda: sum(len(one.acknowledged) for one in senders) >= least)


def test_the_service_killed_under_load(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(3)
    with running(database_url, tmp_path) as server, _sending([server]) as senders:
        for _ in range(_KILLS):
            _wait_for_more(senders)
            time.sleep(chance.random() / 10)
            server.kill()
            server.process = start(database_url, tmp_path, server.port).process
        _wait_for_more(senders)
    assert {status for one in senders for status in one.statuses} == {201}
    with running(database_url, tmp_path) as server:
        _check(senders, server, database_url)


def test_postgresql_killed_and_back(tmp_path: Path) -> None:
    programs = postgres.server_programs()
    if programs is None:
        missing("PostgreSQL's server (Debian: apt-get install postgresql)")
        return
    with postgres.cluster(programs) as cluster:
        url = cluster.url % "postgres"
        upgrade(url)
        with running(url, tmp_path) as server, _sending([server]) as senders:
            for _ in range(_KILLS // 4):
                cluster.kill()
                cluster.start()
                _wait_for_more(senders)
            _wait_for_more(senders)
            cluster.kill()
            refused = httpx.post(server.url + _RESULTS, json=panel())
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert status(server, "/v1/studies/default/patients/P1/grades") == 503
            until(lambda: status(server, "/readyz") == 503, 5)
            assert status(server, "/livez") == 200
            cluster.start()
            until(lambda: status(server, "/readyz") == 200, 10)
            _wait_for_more(senders)
            assert {s for one in senders for s in one.statuses} == {201, 503}
        with running(url, tmp_path) as server:
            _check(senders, server, url)


@contextmanager
def _small_file_system(folder: Path) -> Iterator[Callable[[int], object]]:
    """A file system of 2 MB on the folder; gives what makes room in it."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield lambda _: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def _small_files(_: Path) -> Iterator[Callable[[int], object]]:
    """No file may grow beyond 1 MB, by the kernel's limit for a process that is started now.

    What makes room lifts the limit of the running process and of those that are started later.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        yield lambda pid: [
            resource.prlimit(one, resource.RLIMIT_FSIZE, before) for one in (pid, os.getpid())
        ]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [_small_file_system, _small_files])
def test_a_full_disk_refuses_and_recovers(tmp_path: Path, limit: object) -> None:
    assert callable(limit)
    folder = tmp_path / "small"
    folder.mkdir()
    with limit(folder) as make_room:
        url = f"sqlite:///{folder / 'toxgrade.db'}"
        with running(url, tmp_path) as server, _sending([server]) as senders:
            until(lambda: any(503 in one.statuses for one in senders))
            until(lambda: status(server, "/readyz") == 503, 5)
            assert status(server, "/livez") == 200
            make_room(server.process.pid)
            _wait_for_more(senders)
            assert {s for one in senders for s in one.statuses} == {201, 503}
            until(lambda: status(server, "/readyz") == 200, 5)
        with running(url, tmp_path) as server:
            _check(senders, server, url)


def test_servers_replaced_one_by_one_under_load(
    new_postgresql: NewDatabase, tmp_path: Path
) -> None:
    """A rolling restart: SIGTERM, wait, start again, the other one serving meanwhile."""
    url = new_postgresql()
    with running(url, tmp_path) as one, running(url, tmp_path) as two:
        replaced = [one, two]
        with _sending(replaced) as senders:
            for i in (0, 1):
                _wait_for_more(senders)
                assert replaced[i].stop() in (0, -15)
                replaced[i] = start(url, tmp_path, replaced[i].port)
            _wait_for_more(senders)
        assert {s for sender in senders for s in sender.statuses} == {201}
        _check(senders, replaced[0], url)
        for server in replaced:
            assert server.stop() in (0, -15)


def test_sigterm_lets_what_is_being_answered_finish(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    """5,000 results take a second or so; the signal comes while they are being stored."""
    many = panel(*(value(source_id=str(i)) for i in range(5000)))
    with running(new_sqlite(), tmp_path) as server:
        answers: list[int] = []

        def post() -> None:
            answer = httpx.post(server.url + _RESULTS, json=many, timeout=60)
            answers.append(answer.status_code)

        request = threading.Thread(target=post)
        request.start()
        until(lambda: "toxgrade_requests_in_flight 2.0" in _metrics(server))
        assert server.stop() in (0, -15)
        request.join()
        assert answers == [201]
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url + "/livez")


def _metrics(server: Running) -> str:
    return httpx.get(server.url + "/metrics").text


def test_nothing_of_a_fault_names_a_patient(tmp_path: Path) -> None:
    """A database that is a text file: every kind of request fails, and says so in its log."""
    path = tmp_path / "broken.db"
    upgrade(f"sqlite:///{path}")
    with running(f"sqlite:///{path}", tmp_path) as server:
        os.truncate(path, 5000)
        body = panel(value(source_id="Zaphod4711", value="73.918273"))
        answer = httpx.post(server.url + _RESULTS.replace("P1", "Zaphod4711"), json=body)
        assert answer.status_code == 503
        assert status(server, "/v1/studies/default/patients/Zaphod4711/grades") in (404, 503)
    said = answer.text + server.log.read_text()
    assert "Zaphod" not in said
    assert "73.9" not in said
