"""``toxgrade serve`` as a process of its own, and clients that remember what was acknowledged."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.ports import free_port
from tests.server.api.panels import panel, value


@dataclass
class Running:
    """A server process on ``port``; its log is in ``log``."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it is doing."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code. uvicorn ends by the signal it was sent: -15 is clean."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def start(database_url: str, folder: Path, port: int | None = None, **settings: str) -> Running:
    """Start a server and wait until it is ready; ``settings`` are of the environment."""
    port = port or free_port()
    log = folder / f"{port}.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOXGRADE_")}
    environment |= {"TOXGRADE_DATABASE_URL": database_url, "TOXGRADE_AUTH": "off"}
    environment |= settings
    program = Path(sys.executable).parent / "toxgrade"
    with log.open("ab") as file:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port)],
            cwd=folder, env=environment, stdout=file, stderr=file,
        )  # fmt: skip
    running = Running(process, port, log)
    try:
        until(lambda: status(running, "/readyz") == 200 or process.poll() is not None)
        assert process.poll() is None, log.read_text()[-2000:]
    except AssertionError:
        running.kill()
        raise
    return running


@contextmanager
def running(database_url: str, folder: Path, **settings: str) -> Iterator[Running]:
    """A server, as long as the context lasts."""
    server = start(database_url, folder, None, **settings)
    try:
        yield server
    finally:
        server.kill()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds; fail after so long."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def status(server: Running, path: str) -> int | None:
    """The status of a GET; None where nobody answers."""
    try:
        return httpx.get(server.url + path, timeout=15).status_code
    except httpx.TransportError:
        return None


@dataclass
class Sender:
    """Sends results to whichever server answers, and keeps a history of what came back.

    A request without an answer may have been stored or not: it is sent again until it has one; by
    every other client under an ``Idempotency-Key``.
    """

    ports: list[int]
    seed: int
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def work(self, stop: Callable[[], bool]) -> None:
        """Send until told to stop: patient and source_id of each acknowledged result are kept."""
        chance = random.Random(self.seed)
        with httpx.Client(timeout=30) as client:
            for number in itertools.count():
                if stop():
                    return
                patient, source = f"P{chance.randrange(5)}", f"{self.seed}-{number}"
                self.send(client, patient, source, chance, stop)

    def send(
        self,
        client: httpx.Client,
        patient: str,
        source: str,
        chance: random.Random,
        stop: Callable[[], bool],
    ) -> None:
        body = panel(value(source_id=source, value=f"{chance.randrange(1, 90) / 10}"))
        path = f"/v1/studies/default/patients/{patient}/results"
        key = {"Idempotency-Key": source} if self.seed % 2 else {}
        while not stop():
            port = chance.choice(self.ports)
            try:
                answer = client.post(f"http://127.0.0.1:{port}{path}", json=body, headers=key)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            self.statuses.append(answer.status_code)
            if answer.status_code == 201:
                self.acknowledged.append((patient, source))
                return
            time.sleep(0.05)


def stored(server: Running) -> list[tuple[str, str]]:
    """Patient and source_id of every result there is, each as often as it is there."""
    found = []
    with httpx.Client(base_url=f"{server.url}/v1/studies/default") as client:
        for patient in client.get("/patients?limit=1000").json()["patients"]:
            cursor: str | None = ""
            while cursor is not None:
                page = client.get(
                    f"/patients/{patient['patient']}/grades?limit=1000"
                    f"&include_superseded=true{cursor and '&cursor='}{cursor}"
                ).json()
                found += [(patient["patient"], g["source_id"]) for g in page["grades"]
                          if g["supersedes_id"] is None]  # fmt: skip
                cursor = page["next"]
    return found
