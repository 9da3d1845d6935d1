"""How much longer a read takes while 45 clients of another key ask for charts again and again."""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.crash.running import running
from tests.server.api.panels import panel
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade

CLIENTS, ROUNDS = 45, 3
_MOST_TIMES = 10
_SHORTEST = 0.005  # seconds: a read on a quiet machine, below which its ratio would be of noise
_READ = "/v1/studies/default/patients/P1/grades"
_CHARTS = (
    "/studies/default/pictures/edish.png",
    "/studies/default/pictures/swimmer.pdf",
    "/studies/default/patients/P1/timeline.svg",
)


def main() -> bool:
    """One line for each chart; return whether no read took ten times its own time."""
    print(f"\na read beside {CLIENTS} clients of another key, best of {ROUNDS} rounds")
    print(f"{'':<48}{'quiet ms':>9}{'busy ms':>9}{'times':>7}{'charts':>8}")
    held = True
    with _service() as (url, drawers, client):
        for path in _CHARTS:
            rounds = (_round(url, path, drawers.pop(), client) for _ in range(ROUNDS))
            quiet, busy, charts = min(rounds, key=lambda one: one[1] / one[0])
            times = busy / max(quiet, _SHORTEST)
            held = held and times < _MOST_TIMES
            print(f"{path:<48}{quiet * 1e3:>9.1f}{busy * 1e3:>9.1f}{times:>7.1f}{charts:>8}")
    return held


@contextmanager
def _service() -> Iterator[tuple[str, list[str], httpx.Client]]:
    """A service with one patient: its address, a key to draw in each round, a client that reads."""
    settings = {"TOXGRADE_AUTH": "on", "TOXGRADE_WORKERS": "0"}
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'fair.db'}"
        upgrade(database)
        with transaction(database) as opened:
            reader = create_key(opened, "reader")
            rounds = range(len(_CHARTS) * ROUNDS)  # A key's share is spent in one.
            drawers = [create_key(opened, f"drawer {number}") for number in rounds]
        headers = {"Authorization": f"Bearer {reader}"}
        with (
            running(database, Path(folder), **settings) as server,
            httpx.Client(base_url=server.url, timeout=30, headers=headers) as client,
        ):
            stored = client.post(_READ.replace("grades", "results"), json=panel())
            stored.raise_for_status()
            yield server.url, drawers, client


def _round(url: str, path: str, drawer: str, client: httpx.Client) -> tuple[float, float, int]:
    """Return the median seconds of a read alone and beside the charts, and how many were drawn."""
    quiet = _median(client, 1)
    with _asking(url, path, drawer) as statuses:
        time.sleep(1)
        busy = _median(client, 3)
    assert 200 in statuses
    assert set(statuses) <= {200, 429}
    return quiet, busy, statuses.count(200)


@contextmanager
def _asking(url: str, path: str, key: str) -> Iterator[list[int]]:
    """Clients that ask again and again; the statuses of what they were answered."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
            while not stop.is_set():
                try:
                    statuses.append(client.get(path, timeout=60).status_code)
                except (OSError, httpx.TransportError):
                    return
                if statuses[-1] == 429:
                    time.sleep(0.2)  # Else it is this process that has no time left to measure.

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def _median(client: httpx.Client, seconds: float) -> float:
    """Return the median seconds of reads, one after the other, for so long."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        client.get(_READ).raise_for_status()
        took.append(time.monotonic() - begun)
    return statistics.median(took)


if __name__ == "__main__":
    main()
