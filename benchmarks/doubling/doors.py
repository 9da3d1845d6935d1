"""The service's doors: each called whole, in process, on a fresh database of its own."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from benchmarks.doubling.case import Sent
from toxgrade.server.main import create_app
from toxgrade.server.records.schema import upgrade
from toxgrade.server.settings import Settings

Json = Callable[[int], Any]


@cache
def prepare() -> tuple[FastAPI, tempfile.TemporaryDirectory[str]]:
    """Build the service and a migrated database once, before the processes that use them fork."""
    folder = tempfile.TemporaryDirectory()
    upgrade(f"sqlite:///{folder.name}/template.db")
    settings = Settings(
        database_url="sqlite:///doubling.db", auth="off", batches_dir=Path("batches"),
        read_seconds=600, write_seconds=600, rate_per_second=1e9,
    )  # fmt: skip
    return create_app(settings), folder


class _Service:
    """The service of this process, in a folder of its own; one request comes after the other."""

    def __init__(self) -> None:
        self._app, folder = prepare()
        own = Path(tempfile.mkdtemp(dir=folder.name))  # Numbers of processes come again.
        shutil.copyfile(Path(folder.name) / "template.db", own / "doubling.db")
        os.chdir(own)
        self._loop = asyncio.new_event_loop()
        self._open = self._app.router.lifespan_context(self._app)
        self._loop.run_until_complete(self._open.__aenter__())

    def answer(self, scope: Mapping[str, Any], body: bytes) -> int:
        """The status of the answer to a request."""
        return self._loop.run_until_complete(self._answer(scope, body))

    async def _answer(self, scope: Mapping[str, Any], body: bytes) -> int:
        blocks = [body[i : i + 65_536] for i in range(0, len(body), 65_536)] or [b""]
        status = 0

        async def receive() -> dict[str, Any]:
            if not blocks:
                return {"type": "http.disconnect"}
            block = blocks.pop(0)
            return {"type": "http.request", "body": block, "more_body": bool(blocks)}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        await self._app(dict(scope), receive, send)
        return status


@cache
def _service() -> _Service:
    return _Service()


def request(method: str, path: str, body: bytes = b"", *, query: str = "", **headers: str) -> Sent:
    """A request; the names of ``headers`` have hyphens for their underscores."""
    sent = {"content_length": str(len(body)), **headers}
    raw = [(n.replace("_", "-").encode(), v.encode("latin-1")) for n, v in sent.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode("latin-1"), "headers": raw,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    return Sent((scope, body), len(body) + len(path) + len(query) + sum(map(len, headers.values())))


def answered(sent: Sent) -> int:
    """The status of the answer; an AssertionError where that is a server's error."""
    scope, body = sent.content
    status = _service().answer(scope, body)
    assert 0 < status < 500, f"status {status}"
    return status


def json_request(method: str, path: str, build: Json, query: str = "") -> Callable[[int], Sent]:
    """What makes a request of n's JSON, which is text already or a document."""

    def sent(n: int) -> Sent:
        document = build(n)
        text = document if isinstance(document, str) else json.dumps(document)
        return request(method, path, text.encode(), query=query, content_type="application/json")

    return sent
