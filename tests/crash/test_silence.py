"""A database or a service that says nothing, neither yes nor no: its host is gone, or it hangs.

Nobody is left waiting, and what was sent again once it is back is there once.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import text

from tests import postgres
from tests.conftest import missing
from tests.crash.running import Running, running, status, stored, until
from tests.server.api.panels import panel
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.schema import upgrade

_RESULTS = "/v1/studies/default/patients/P1/results"
_NET = f"198.18.{os.getpid() % 256}"  # of a range for measurements between networks
_HERE, _THERE = f"{_NET}.1", f"{_NET}.2"
_LOCK = text("SELECT id FROM patients WHERE name = 'P1' FOR UPDATE NOWAIT")


@contextmanager
def _migrated(host: postgres.Host | None = None) -> Iterator[postgres.Cluster]:
    programs = postgres.server_programs()
    if programs is None:
        missing("PostgreSQL's server (Debian: apt-get install postgresql)")
        return
    with postgres.cluster(programs, host) as made:
        upgrade(made.url % "postgres")
        yield made


def _post(server: Running) -> httpx.Response:
    return httpx.post(server.url + _RESULTS, json=panel(), timeout=30)


def _refused_meanwhile(server: Running, within: float) -> None:
    """Reading and storing answer 503 in time; the process lives."""
    begun = time.monotonic()
    refused = _post(server)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert status(server, "/v1/studies/default/patients/P1/grades") == 503
    until(lambda: status(server, "/readyz") == 503, within)
    assert time.monotonic() - begun < within
    assert status(server, "/livez") == 200


def _stored_once(server: Running) -> None:
    until(lambda: status(server, "/readyz") == 200, 20)  # It was refused a moment ago.
    until(lambda: _post(server).status_code == 201, 10)
    assert len(stored(server)) == 1


def test_a_server_that_hangs(tmp_path: Path) -> None:
    limits = {"TOXGRADE_WRITE_SECONDS": "1", "TOXGRADE_READ_SECONDS": "1"}
    with _migrated() as cluster, running(cluster.url % "postgres", tmp_path, **limits) as server:
        assert _post(server).status_code == 201
        with cluster.hung():
            _refused_meanwhile(server, within=10)
        _stored_once(server)


@pytest.fixture
def host() -> Iterator[tuple[postgres.Host, Callable[[str], object]]]:
    """A host of its own for the database, and what runs a command of Linux's ip there."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a host of its own needs root, and Linux's ip")
    name, near = f"toxgrade{os.getpid()}", f"near{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        pytest.skip("network namespaces are not allowed here")
    inside = ["ip", "netns", "exec", name]

    def ip(command: str, prefix: list[str] = inside) -> None:
        subprocess.run([*prefix, "ip", *command.split()], check=True)

    try:
        ip(f"link add {near} type veth peer name far netns {name}", [])
        ip(f"address add {_HERE}/30 dev {near}", [])
        ip(f"link set {near} up", [])
        ip(f"address add {_THERE}/30 dev far")
        ip("link set far up")
        yield postgres.Host(_THERE, inside), ip
    finally:
        ip(f"netns delete {name}", [])


def test_a_database_that_is_gone_without_a_word(
    host: tuple[postgres.Host, Callable[[str], object]], tmp_path: Path
) -> None:
    """Before, a request waited as long as the system does, and a minute after it was back."""
    with _migrated(host[0]) as cluster, running(cluster.url % "postgres", tmp_path) as server:
        assert _post(server).status_code == 201
        host[1](f"route add blackhole {_HERE}/32")  # what it says is lost
        _refused_meanwhile(server, within=40)
        host[1](f"route delete blackhole {_HERE}/32")
        _stored_once(server)


def test_a_service_that_is_gone_lets_go_of_its_locks(
    host: tuple[postgres.Host, Callable[[str], object]],
) -> None:
    """In the middle of a transaction; the others had waited two hours for its patients."""
    with _migrated(host[0]) as cluster:
        lost = build_engine(cluster.url % "postgres")
        with cluster.connect() as other, lost.connect() as gone:
            other.execute("INSERT INTO patients (study_id, name) SELECT min(id), 'P1' FROM studies")
            assert gone.execute(_LOCK).rowcount == 1
            host[1](f"route add blackhole {_HERE}/32")
            until(lambda: _is_free(cluster), 20)
            gone.invalidate()


def _is_free(cluster: postgres.Cluster) -> bool:
    try:
        with cluster.connect() as connection:
            connection.execute(str(_LOCK).encode())
    except LockNotAvailable:
        return False
    return True


def test_the_url_has_the_last_word() -> None:
    with _migrated() as cluster:
        engine = build_engine(f"{cluster.url % 'postgres'}&tcp_user_timeout=20000")
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            told = driver.info.get_parameters()
        engine.dispose()
    assert (told["connect_timeout"], told["tcp_user_timeout"]) == ("5", "20000")
