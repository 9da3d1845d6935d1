"""Requests per second over HTTP, against an empty FastAPI endpoint in the same run."""

import asyncio
import json
import multiprocessing
import os
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.api.grading import EXAMPLE
from app.http.server import run
from app.main import create_app
from app.records.engine import upgrade
from app.settings import Settings
from benchmarks.kernel import _PANEL

_CLIENTS, _SECONDS, _ROUNDS = 16, 2.0, 3
_STORED = "/v1/studies/default/patients/P{n}/results"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One round: how many a second, what each cost the server, how long each took."""

    rate: float
    cpu: float
    latencies: list[float]


def main() -> None:
    """Each route against the floor: by what a client sees and by the server's CPU time."""
    routes: tuple[tuple[str, str, object], ...] = (
        ("POST /v1/grade, 1 value", "/v1/grade", _panel(1)),
        ("POST /v1/grade, 20 values", "/v1/grade", _panel(20)),
        ("POST /v1/grade, 1,000 values", "/v1/grade", _panel(1000)),
        ("POST …/results, 3 results, a patient each", _STORED, EXAMPLE),
    )
    with tempfile.TemporaryDirectory() as folder, _served(_empty) as (floor_port, floor_pid):
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        upgrade(url)
        with _served(_service, url) as (port, pid):
            print(f"\nservice: SQLite, one process, {_CLIENTS} clients, median of {_ROUNDS} rounds")
            print(f"{'route':<44}{'requests/s':>11}{'ratio':>8}{'CPU ms':>9}{'CPU ratio':>11}")
            for name, path, body in routes:
                pairs = [
                    (_round(floor_port, floor_pid, "/", {}), _round(port, pid, path, body))
                    for _ in range(_ROUNDS)
                ]
                rate, cpu = (statistics.median(getattr(m, x) for _, m in pairs)
                             for x in ("rate", "cpu"))  # fmt: skip
                ratio = statistics.median(m.rate / floor.rate for floor, m in pairs)
                by_cpu = statistics.median(floor.cpu / m.cpu for floor, m in pairs)
                print(f"{name:<44}{rate:>11,.0f}{ratio:>8.3f}{cpu * 1e3:>9.2f}{by_cpu:>11.3f}")
            _half_load(port, pid)


def _half_load(port: int, pid: int) -> None:
    """Latencies at half of what the service can do."""
    full = _round(port, pid, "/v1/grade", _panel(1)).rate
    half = sorted(_round(port, pid, "/v1/grade", _panel(1), full / 2).latencies)
    p50, p99 = half[len(half) // 2], half[len(half) * 99 // 100]
    print(
        f"at half load ({full / 2:,.0f}/s): p50 {p50 * 1e3:.2f} ms,"
        f" p99 {p99 * 1e3:.2f} ms, {p99 / p50:.1f} x p50"
    )


def _panel(results: int) -> dict[str, Any]:
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
def _served(serve: Any, *arguments: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own: its port and process number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
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


def _service(port: int, url: str) -> None:
    """Its log goes to a file, as a supervisor would keep it."""
    log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, 2)
    settings = Settings(database_url=url, auth="off", port=port)
    run(create_app(settings), settings)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _cpu(pid: int) -> float:
    """CPU seconds that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _round(port: int, pid: int, path: str, body: object, most: float = 0) -> Measured:
    before = _cpu(pid)
    latencies = asyncio.run(_load(port, path, json.dumps(body).encode(), most))
    done = len(latencies)
    return Measured(done / _SECONDS, (_cpu(pid) - before) / done, latencies)


async def _load(port: int, path: str, content: bytes, most: float) -> list[float]:
    """Seconds that each answer took, all of them successful; ``most`` a second, 0 for no limit.

    A client of bare bytes: a library's client would cost more than the server and hide it.
    """
    counter, start = iter(range(10**9)), time.perf_counter()
    latencies: list[float] = []

    async def work(client: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        turn = 0
        while (now := time.perf_counter()) < start + _SECONDS:
            if most:
                due = start + (turn * _CLIENTS + client) / most
                turn += 1
                await asyncio.sleep(max(0, due - now))
                now = time.perf_counter()
            target = path.replace("{n}", str(next(counter)))
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert answer[9:12] in ("200", "201"), answer
            await reader.readexactly(int(answer.split("content-length: ")[1].split("\r\n")[0]))
            latencies.append(time.perf_counter() - now)
        writer.close()

    await asyncio.gather(*(work(client) for client in range(_CLIENTS)))
    return latencies
