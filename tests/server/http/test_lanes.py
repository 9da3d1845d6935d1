"""What is costly has few threads of its own: charts that are never finished hold up no read."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest
from anyio import to_thread

from tests.conftest import NewDatabase, served
from tests.crash.running import until
from tests.server.api.panels import panel
from toxgrade.errors import NotFound
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.lanes import Lane
from toxgrade.server.http.service import Service
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings
from toxgrade.server.web.charts.chart import Chart
from toxgrade.server.web.charts.gallery import Gallery

_CLIENTS = 45  # More than the 40 threads that read.
_READ = "/v1/studies/default/patients/P1/grades"
_CHARTS = [
    "/studies/default/pictures/edish.png",
    "/studies/default/pictures/swimmer.pdf",
    "/studies/default/pictures/shift",
    "/studies/default/patients/P1/timeline.svg",
]


def test_a_lane_has_its_threads_and_a_caller_one_of_them() -> None:
    release, running = threading.Event(), list[str]()

    def job(caller: str) -> str:
        running.append(caller)
        assert release.wait(30)
        return caller

    async def ask() -> list[str]:
        lane = Lane(2)
        callers = ["a"] * 5 + ["b", "c"]
        jobs = [asyncio.create_task(lane.run(partial(job, who), who)) for who in callers]
        while len(running) < 2:
            await asyncio.sleep(0)
        assert await to_thread.run_sync(str, "read") == "read"
        begun = sorted(running)
        release.set()
        assert await asyncio.gather(*jobs) == callers
        return begun

    assert asyncio.run(ask()) == ["a", "b"]


@pytest.fixture
def service(new_sqlite: NewDatabase) -> Iterator[tuple[httpx.Client, list[str]]]:
    """A service with a patient, a client that reads, and the keys of others who draw."""
    url = new_sqlite()
    with transaction(url) as opened:
        reader, *drawers = (create_key(opened, name) for name in ("reader", "one", "two", "three"))
    with served(Settings(database_url=url, workers=0)) as client:
        client.headers["Authorization"] = f"Bearer {reader}"
        stored = client.post(_READ.replace("grades", "results"), json=panel())
        stored.raise_for_status()
        yield client, drawers


@pytest.mark.parametrize("path", _CHARTS)
def test_charts_that_are_never_finished_do_not_hold_up_a_read(
    service: tuple[httpx.Client, list[str]], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """45 clients of one key held every reading thread: another's read took 6.5 s, not 10 ms."""
    client, drawers = service
    release, asked, drawing = threading.Event(), list[bool](), list[str]()

    def held(*_: object, **__: object) -> Chart:
        drawing.append(threading.current_thread().name)
        assert release.wait(30)
        raise NotFound("it was held")

    in_thread = Service.in_thread

    async def counted(self: Service, job: Callable[[], Any], *, is_costly: bool = False) -> Any:
        asked.append(is_costly)
        return await in_thread(self, job, is_costly=is_costly)

    monkeypatch.setattr(Gallery, "study", held)
    monkeypatch.setattr(Gallery, "patient", held)
    monkeypatch.setattr(Service, "in_thread", counted)
    with ExitStack() as stack:
        stack.callback(release.set)
        for number in range(_CLIENTS):
            key = drawers[number % len(drawers)]
            stack.enter_context(_sent(client, path, key))
        until(lambda: len(asked) >= _CLIENTS and len(drawing) >= 2)
        assert client.get(_READ, timeout=20).status_code == 200
        assert len(drawing) == 2, "so many charts at once, of three keys"


def _sent(client: httpx.Client, path: str, key: str) -> socket.socket:
    """Ask for a chart, and do not wait for it."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n"
    connection.sendall(f"{head}Authorization: Bearer {key}\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("path", _CHARTS)
def test_a_chart_is_made_in_the_lane_from_its_query_to_its_file(
    service: tuple[httpx.Client, list[str]], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = service
    lane, steps = threading.local(), list[tuple[str, bool]]()
    run = Lane.run

    async def marked(self: Lane, job: Callable[[], Any], caller: str) -> Any:
        def in_lane() -> Any:
            lane.here = True
            try:
                return job()
            finally:
                lane.here = False

        return await run(self, in_lane, caller)

    def watched(step: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            steps.append((step.__name__, getattr(lane, "here", False)))
            return step(*given, **named)

        return noted

    monkeypatch.setattr(Lane, "run", marked)
    for owner, name in ((Gallery, "study"), (Gallery, "patient"), (Chart, "drawn")):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    assert client.get(path, headers={"Accept": "text/html"}).status_code == 200
    assert steps
    assert all(in_lane for _, in_lane in steps), steps
