"""Requests per second over HTTP, against an empty FastAPI endpoint in the same run."""

import asyncio
import json
import multiprocessing
import socket
import tempfile
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from app.api.grading import EXAMPLE
from app.http.server import server_config
from app.main import create_app
from app.records.engine import upgrade
from app.settings import Settings

_CLIENTS, _SECONDS = 16, 4.0
_RESULT = EXAMPLE["results"][0]
_PANEL_OF_20 = {**EXAMPLE, "results": [{**_RESULT, "source_id": f"L{i}"} for i in range(20)]}


def main() -> None:
    """Requests per second of each route with 16 clients, and their ratio to the floor."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        upgrade(url)
        port = _free_port()
        server = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(url, port), daemon=True
        )
        server.start()
        _wait_for(port)
        floor = asyncio.run(_rate(port, "/empty/", {}))
        print(f"\nservice: SQLite, one process, {_CLIENTS} clients on the same machine")
        print(f"{'route':<44}{'requests/s':>12}{'ratio':>8}")
        print(f"{'floor: an empty endpoint that takes a dict':<44}{floor:>12,.0f}{1:>8.2f}")
        results = "/v1/studies/default/patients/P{n}/results"
        for name, path, body in (
            ("POST /v1/grade, 3 results", "/v1/grade", EXAMPLE),
            ("POST /v1/grade, 21 results", "/v1/grade", _PANEL_OF_20),
            ("POST …/results, 3 results, a patient each", results, EXAMPLE),
        ):
            rate = asyncio.run(_rate(port, path, body))
            print(f"{name:<44}{rate:>12,.0f}{floor / rate:>8.2f}")
        server.terminate()
        server.join()


def _serve(url: str, port: int) -> None:
    settings = Settings(database_url=url, auth="off", port=port)
    app = create_app(settings)
    empty = FastAPI()

    @empty.post("/")
    async def nothing(body: dict[str, object]) -> dict[str, object]:
        return {}

    app.mount("/empty", empty)
    uvicorn.Server(server_config(app, settings)).run()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


async def _rate(port: int, path: str, body: object) -> float:
    """Answered requests per second, all of them successful.

    A client of bare bytes: a library's client would cost more than the server and hide it.
    """
    counter, until = iter(range(10**9)), time.perf_counter() + _SECONDS
    content = json.dumps(body).encode()

    async def work() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        while time.perf_counter() < until:
            target = path.replace("{n}", str(next(counter)))
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert answer[9:12] in ("200", "201"), answer
            await reader.readexactly(int(answer.split("content-length: ")[1].split("\r\n")[0]))
            done += 1
        writer.close()
        return done

    return sum(await asyncio.gather(*(work() for _ in range(_CLIENTS)))) / _SECONDS
