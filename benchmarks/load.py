"""A load over HTTP from one process on servers in processes of their own."""

import asyncio
import json
import multiprocessing
import os
import random
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from benchmarks.kernel import _PANEL
from tests.ports import free_port
from toxgrade.server.http.server import run
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

CLIENTS, ROUNDS = 16, 3
_SECONDS = 2.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Servers:
    """Processes that serve the same, each on its port, and the key that callers present."""

    ports: Sequence[int]
    pids: Sequence[int]
    key: str | None = None
    numbers: "count[int]" = field(default_factory=count)

    def cpu(self) -> float:
        """CPU seconds that the processes have used, all their threads together."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                 for pid in self.pids]  # fmt: skip
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / _TICKS


@dataclass(frozen=True)
class NormalizedResult:
    """One round: how many a second, what each cost the servers, how long each took."""

    rate: float
    cpu: float
    latencies: list[float]


def panel(results: int) -> dict[str, Any]:
    """A made-up panel of the eight usual tests, visit after visit."""
    chance = random.Random(7)
    labs = []
    for i in range(results):
        analyte, unit, lln, uln, low, high, places = _PANEL[i % len(_PANEL)]
        month, day = divmod(i // len(_PANEL), 28)
        labs.append(
            {"analyte": analyte, "value": f"{chance.uniform(low, high):.{places}f}", "unit": unit,
             "lln": lln, "uln": uln, "collected": f"2011-{4 + month:02}-{day + 1:02}",
             "source_id": f"LAB-{i}"}
        )  # fmt: skip
    return {"radiotherapy": {"start": "2011-01-24", "end": "2011-03-09"}, "results": labs}


@contextmanager
def empty() -> Iterator[Servers]:
    """The floor: FastAPI, one endpoint that reads JSON and answers ``{}``."""
    with process(_empty) as (port, pid):
        yield Servers([port], [pid])


@contextmanager
def toxgrade(url: str, processes: int = 1, key: str | None = None) -> Iterator[Servers]:
    """The service on a migrated database; without a key its access is off."""
    with ExitStack() as stack:
        found = [stack.enter_context(process(service, url, "on" if key else "off"))
                 for _ in range(processes)]  # fmt: skip
        yield Servers([port for port, _ in found], [pid for _, pid in found], key)


@contextmanager
def process(serve: Any, *arguments: str) -> Iterator[tuple[int, int]]:
    port = free_port()
    spawn = multiprocessing.get_context("spawn")
    server = spawn.Process(target=serve, args=(port, *arguments), daemon=True)
    server.start()
    try:
        _wait_for(port)
        assert server.pid is not None
        yield port, server.pid
    finally:
        server.terminate()
        server.join()


def _empty(port: int) -> None:
    app = FastAPI()

    @app.post("/")
    async def nothing(body: dict[str, object]) -> dict[str, object]:
        return {}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def service(port: int, url: str, auth: Any) -> None:
    """Its log goes to a file, as a supervisor would keep it."""
    log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, 2)
    settings = Settings(database_url=url, auth=auth, port=port, workers=0, rate_per_second=1e9)
    run(create_app(settings), settings)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def compare(name: str, floor: Servers, servers: Servers, path: str, body: object) -> None:
    """Print one line: rates and CPU time, and their ratios to the floor's in the same rounds."""
    pairs = [(load(floor, "/", {}), load(servers, path, body)) for _ in range(ROUNDS)]
    rate, cpu = (statistics.median(getattr(m, x) for _, m in pairs) for x in ("rate", "cpu"))
    ratio = statistics.median(ours.rate / empty.rate for empty, ours in pairs)
    by_cpu = statistics.median(empty.cpu / ours.cpu for empty, ours in pairs)
    print(f"{name:<52}{rate:>11,.0f}{ratio:>8.3f}{cpu * 1e3:>9.2f}{by_cpu:>11.3f}")


def heading(what: str) -> None:
    """The lines above those of ``compare``."""
    print(f"\n{what}: {CLIENTS} clients, median of {ROUNDS} rounds, ratio to an empty endpoint")
    print(f"{'':<52}{'requests/s':>11}{'ratio':>8}{'CPU ms':>9}{'CPU ratio':>11}")


def load(servers: Servers, path: str, body: object, most: float = 0) -> NormalizedResult:
    """One round; every answer a success; ``most`` requests a second, 0 for no limit.

    ``{n}`` in the path is another number in each request.
    """
    before = servers.cpu()
    latencies = asyncio.run(_load(servers, path, json.dumps(body).encode(), most))
    done = len(latencies)
    return NormalizedResult(done / _SECONDS, (servers.cpu() - before) / done, latencies)


async def _load(servers: Servers, path: str, content: bytes, most: float) -> list[float]:
    """A client of bare bytes: a library's client would cost more than the server and hide it."""
    start = time.perf_counter()
    latencies: list[float] = []
    key = f"Authorization: Bearer {servers.key}\r\n" if servers.key else ""
    fixed = f"Host: x\r\n{key}Content-Type: application/json\r\nContent-Length: {len(content)}"

    async def work(client: int) -> None:
        port = servers.ports[client % len(servers.ports)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        turn = 0
        while (now := time.perf_counter()) < start + _SECONDS:
            if most:
                due = start + (turn * CLIENTS + client) / most
                turn += 1
                await asyncio.sleep(max(0, due - now))
                now = time.perf_counter()
            target = path.replace("{n}", str(next(servers.numbers)))
            writer.write(f"POST {target} HTTP/1.1\r\n{fixed}\r\n\r\n".encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert answer[9:12] in ("200", "201"), answer
            await reader.readexactly(int(answer.split("content-length: ")[1].split("\r\n")[0]))
            latencies.append(time.perf_counter() - now)
        writer.close()

    await asyncio.gather(*(work(client) for client in range(CLIENTS)))
    return latencies
