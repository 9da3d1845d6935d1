"""Where the service lies on its host: at the root, or under a path that the proxy takes off."""

import re
import secrets
import time
from collections.abc import Sequence
from itertools import count

import structlog
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toxgrade.server.http.metrics import METHODS, OTHER, Metrics
from toxgrade.server.process import REQUEST_ID


def own_path(scope: Scope) -> str:
    """The path of a request without ``TOXGRADE_ROOT_PATH``, as this service's routes have it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


_REQUEST_ID = re.compile(rb"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
_WENT_AWAY = 499
_OWN_PAGES = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_DOCS = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self';"
    " img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
)
"""Swagger's page starts itself with an inline script; nothing on it comes from a caller."""

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"strict-transport-security", b"max-age=31536000"),  # ignored by browsers without TLS
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _OWN_PAGES.encode()),
)
"""On every answer that does not set its own."""

_PROCESS = secrets.token_hex(8)
_numbers = count()
_log = structlog.get_logger()


class Edge:
    """The outermost layer, in plain ASGI: a request costs it some tens of microseconds."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _WENT_AWAY
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _headers(message["headers"], request_id, own_path(scope))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, answer)
        finally:
            self._metrics.in_flight.dec()
            self._report(scope, status, time.perf_counter() - started)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", OTHER)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._metrics.answered(method, route, status, seconds)
        _log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


def _request_id(scope: Scope) -> str:
    """The proxy's id where it is a UUID; any other text could be somebody's name."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_PROCESS}{next(_numbers):016x}"


def _headers(
    given: list[tuple[bytes, bytes]], request_id: str, path: str
) -> list[tuple[bytes, bytes]]:
    present = {name for name, _ in given}
    own = [pair for pair in SECURITY if pair[0] not in present]
    headers = [*given, *own, (b"x-request-id", request_id.encode())]
    if path == "/docs":
        MutableHeaders(raw=headers)["content-security-policy"] = _DOCS
    return headers


class BrowserClients:
    """Cross-origin answers for the CDS service alone; every other route stays same-origin."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_cds = scope["type"] == "http" and own_path(scope).startswith("/cds-services")
        await (self._open if is_cds else self._app)(scope, receive, send)
