"""A mixed load: 16 clients store and read while others send what is large, hostile, slow or idle.

Every well-behaved request must be answered, none after more than two seconds, and no process may
grow beyond its bound. ``tests/crash/test_mixed_load.py`` runs a minute of it, ``make evidence`` ten
on each database.
"""

import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks import hostile
from benchmarks.load import panel
from benchmarks.processes import children, resident_mebibytes
from benchmarks.random_requests import databases
from tests.crash.running import Running, running
from tests.ports import free_port
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade

CLIENTS, IDLE_HTTP, IDLE_MLLP = 16, 300, 100
MOST_SECONDS = 2.0
MOST_MEBIBYTES = {"service": 500, "mllp": 500, "worker": 1000, "parser": 2300}
"""The documented bound of each kind of process's resident memory."""

_PAUSE = 0.2  # seconds between a client's requests: a ward is no load generator
_STUDY = "/v1/studies/default"


@dataclass
class Report:
    """What was seen: statuses and seconds of well-behaved requests, and those without an answer;
    statuses of hostile ones; states of uploads; and each kind of process's highest resident memory.
    """

    answered: Counter[int] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    hostile: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)
    mebibytes: Counter[str] = field(default_factory=Counter)

    @property
    def is_quick(self) -> bool:
        """Whether every answer came in time; true on a machine that does nothing else."""
        return max(self.seconds, default=0) <= MOST_SECONDS

    def broken(self) -> list[str]:
        """Return the claims that do not hold, without that of time."""
        claims = {
            "every well-behaved request is answered": not self.unanswered,
            "with success": all(200 <= status < 300 for status in self.answered),
            "each process within its memory": all(
                self.mebibytes[kind] <= most for kind, most in MOST_MEBIBYTES.items()
            ),
        }
        return [claim for claim, holds in claims.items() if not holds]

    def lines(self) -> Iterator[str]:
        """Yield the report as people read it."""
        ordered = sorted(self.seconds)
        shown = (("median", 0.5), ("99 %", 0.99), ("99.9 %", 0.999), ("slowest", 1.0))
        times = ", ".join(f"{name} {ordered[int(q * (len(ordered) - 1))]:.3f}" for name, q in shown)
        yield f"well-behaved: {dict(self.answered)}, without an answer {dict(self.unanswered)}"
        yield f"  seconds: {times}"
        yield from (f"hostile: {name}: {count}" for name, count in sorted(self.hostile.items()))
        yield from (f"upload: {name}: {count}" for name, count in sorted(self.uploads.items()))
        yield f"highest memory, MiB: {dict(self.mebibytes)}"


@dataclass(frozen=True)
class Service:
    """A running service with its MLLP listener, and the key of each caller."""

    server: Running
    mllp: "subprocess.Popen[bytes]"
    mllp_port: int
    keys: dict[str, str]

    def headers(self, caller: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[caller]}"}


def main() -> bool:
    """Ten minutes on each database; return whether the claims hold on both."""
    print("\nMixed load, ten minutes on each database")
    held = True
    with databases() as found, tempfile.TemporaryDirectory() as folder:
        for name, url in found.items():
            report = run(url, Path(folder), 600)
            print(name, *report.lines(), sep="\n  ")
            held = held and report.is_quick and not report.broken()
    return held


def run(url: str, folder: Path, seconds: float) -> Report:
    """Load a service on a new database at ``url`` for so long; return what was seen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with _service(url, folder) as service:
            return asyncio.run(_load(service, folder, seconds))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def _service(url: str, folder: Path) -> Iterator[Service]:
    upgrade(url)
    with transaction(url) as opened:
        names = ["uploader", "hostile", *(f"ward {n}" for n in range(CLIENTS))]
        keys = {name: create_key(opened, name, "writer", ["default"]) for name in names}
    own = {"TOXGRADE_AUTH": "on", "TOXGRADE_BATCHES_DIR": str(folder / "batches")}
    program = Path(sys.executable).parent / "toxgrade"
    with ExitStack() as stack:
        server = stack.enter_context(running(url, folder, **own))
        port = free_port()
        mllp = subprocess.Popen(
            [program, "mllp", "--port", str(port)],
            cwd=folder, env=os.environ | {"TOXGRADE_DATABASE_URL": url}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(mllp.wait)
        stack.callback(mllp.kill)
        yield Service(server, mllp, port, keys)


async def _load(service: Service, folder: Path, seconds: float) -> Report:
    report, stop = Report(), asyncio.Event()
    tasks = [
        *(_ward(service, number, report, stop) for number in range(CLIENTS)),
        _send_hostile(service, report, stop),
        _upload(service, folder, report, stop),
        _rest(service, stop),
        _watch(service, report, stop),
    ]
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task)
        await asyncio.sleep(seconds)
        stop.set()
    return report


async def _ward(service: Service, number: int, report: Report, stop: asyncio.Event) -> None:
    """Store a panel, read it, its toxicity and the study's patients, again and again."""
    chance, content, turn = random.Random(number), panel(8), 0
    headers = service.headers(f"ward {number}")
    await asyncio.sleep(chance.random())
    async with httpx.AsyncClient(base_url=service.server.url, headers=headers, timeout=30) as ward:
        while not stop.is_set():
            turn += 1
            patient = f"{_STUDY}/patients/W{number}-{turn // 4}"
            for method, path in (
                ("POST", f"{patient}/results"), ("GET", f"{patient}/grades"),
                ("GET", f"{patient}/toxicity"), ("GET", f"{_STUDY}/patients?limit=20"),
            ):  # fmt: skip
                started = time.perf_counter()
                try:
                    answer = await ward.request(
                        method, path, json=content if method == "POST" else None
                    )
                except httpx.HTTPError as error:
                    report.unanswered[type(error).__name__] += 1
                else:
                    report.answered[answer.status_code] += 1
                    report.seconds.append(time.perf_counter() - started)
                await asyncio.sleep(_PAUSE * (0.5 + chance.random()))


async def _send_hostile(service: Service, report: Report, stop: asyncio.Event) -> None:
    """Send one hostile request after the other, from a process of its own, as others would."""
    while not stop.is_set():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.mixed_load", str(service.server.port),
            service.keys["hostile"], stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        while not stop.is_set() and (line := await process.stdout.readline()):
            report.hostile[line.decode().strip()] += 1
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _send(port: int, key: str) -> None:
    """Send every hostile request once, and print with what status it was answered."""
    for name, content in hostile.requests(f"Authorization: Bearer {key}\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(60):
                writer.write(content)
                reading = asyncio.create_task(reader.read(12))
                await asyncio.wait(
                    [reading, asyncio.create_task(writer.drain())],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                status = (await reading).decode()[9:] or "closed"
        except (OSError, TimeoutError) as error:
            status = type(error).__name__
        writer.transport.abort()
        print(f"{name}: {status}", flush=True)


async def _upload(service: Service, folder: Path, report: Report, stop: asyncio.Event) -> None:
    """Upload the worst files that were found, each when the one before it has ended."""
    files = await asyncio.to_thread(hostile.uploads, folder)
    headers = service.headers("uploader")
    async with httpx.AsyncClient(
        base_url=service.server.url, headers=headers, timeout=60
    ) as client:
        for turn in range(sys.maxsize):
            for name, path in files.items():
                state = await _store_file(client, path, f"again-{turn}", stop)
                report.uploads[f"{name}: {state}"] += 1
                if stop.is_set():
                    return


async def _store_file(client: httpx.AsyncClient, path: Path, null: str, stop: asyncio.Event) -> str:
    """Upload a file and follow its batch; return the state in which it ended, or the error.

    ``null``: an option that makes an equal file another batch.
    """
    content = await asyncio.to_thread(path.read_bytes)
    query = {"filename": path.name, "null": null}
    try:
        answer = await client.post(f"{_STUDY}/batches", params=query, content=content)
        state = str(answer.status_code)
        while answer.is_success and not stop.is_set():
            await asyncio.sleep(0.5)
            found = await client.get(f"{_STUDY}/batches/{answer.json()['id']}")
            state = found.json()["state"]
            if state not in ("queued", "running"):
                break
    except httpx.HTTPError as error:
        return type(error).__name__
    return state


async def _rest(service: Service, stop: asyncio.Event) -> None:
    """Hold connections that send nothing, and open those again that were closed."""
    async with AsyncExitStack() as stack:
        wanted = [service.server.port] * IDLE_HTTP + [service.mllp_port] * IDLE_MLLP
        held: dict[int, asyncio.StreamReader] = {}
        while not stop.is_set():
            for number, port in enumerate(wanted):
                if number in held and not held[number].at_eof():
                    continue
                with suppress(OSError):  # The listener is not there yet, or refuses.
                    held[number], writer = await asyncio.open_connection("127.0.0.1", port)
                    stack.callback(writer.close)
            await asyncio.sleep(1)


async def _watch(service: Service, report: Report, stop: asyncio.Event) -> None:
    """Note the highest resident memory of each kind of process."""
    while not stop.is_set():
        for kind, pid in _processes(service):
            report.mebibytes[kind] = max(report.mebibytes[kind], resident_mebibytes(pid))
        await asyncio.sleep(0.2)


def _processes(service: Service) -> Iterator[tuple[str, int]]:
    """Yield the processes of the service: what each is, and its number."""
    yield "mllp", service.mllp.pid
    waiting = [("service", service.server.process.pid)]
    while waiting:
        kind, pid = waiting.pop()
        yield kind, pid
        below = "worker" if kind == "service" else "parser"
        waiting += [(below, child) for child in children(pid)]


if __name__ == "__main__":
    asyncio.run(_send(int(sys.argv[1]), sys.argv[2]))
