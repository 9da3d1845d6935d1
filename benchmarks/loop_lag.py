"""How long the event loop is kept from its other clients, whatever one client sends."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.load import process
from tests.server.http.hostile import Case, cases, send, serve_watched
from toxgrade.server.records.schema import upgrade

_MOST_MS = 50.0


@dataclass(frozen=True)
class Lag:
    """The longest time between two beats of a loop that should beat each millisecond.

    ``cpu``: milliseconds that the process computed meanwhile, which other processes do not change;
    ``wall``: milliseconds that passed.
    """

    cpu: float
    wall: float


def main() -> bool:
    """One line for each hostile or large request: what the loop could not do meanwhile; return
    whether no pause took 50 ms of CPU time.
    """
    print("\nthe event loop's longest pause: CPU time of the process, and time that passed")
    print(f"{'':<52}{'MB':>7}{'status':>8}{'s':>8}{'CPU ms':>9}{'wall ms':>9}")
    worst = 0.0
    with _watched_service() as client:
        for number, case in enumerate(cases()):
            status, seconds, lag = _lag_of(client, case, number)
            worst = max(worst, lag.cpu)
            size = len(case.content) / 1e6
            odd = "" if status in case.statuses else "  unexpected"
            print(
                f"{case.name:<52}{size:>7.2f}{status:>8}{seconds:>8.2f}"
                f"{lag.cpu:>9.1f}{lag.wall:>9.1f}{odd}",
                flush=True,
            )
    print(f"{'the longest of all':<75}{worst:>9.1f}")
    return worst < _MOST_MS


@contextmanager
def _watched_service() -> Iterator[httpx.Client]:
    """A service in a process of its own, whose loop is watched, and a client."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'lag.db'}"
        upgrade(url)
        with (
            process(_watched, url) as (port, _),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        ):
            yield client


def _watched(port: int, url: str) -> None:
    """Serve, with a task that notes how late the loop is."""
    worst = [0.0, 0.0]

    async def beat() -> None:
        while True:
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.001)
            late = time.perf_counter() - wall - 0.001
            worst[:] = max(worst[0], time.process_time() - cpu), max(worst[1], late)

    def tell() -> list[float]:
        told = [round(seconds * 1000, 1) for seconds in worst]
        worst[:] = 0, 0
        return told

    serve_watched(port, url, beat, tell)


def _lag_of(client: httpx.Client, case: Case, number: int) -> tuple[int, float, Lag]:
    """Return the status, the seconds and the lag of the service while it answers a request."""
    client.get("/watched")
    begun = time.monotonic()
    status = send(client, case, number)
    seconds = time.monotonic() - begun
    return status, seconds, Lag(*client.get("/watched").json())


if __name__ == "__main__":
    main()
