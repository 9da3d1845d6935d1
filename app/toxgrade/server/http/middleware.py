"""ASGI middleware: request ids, the request log, security headers, CORS; and Prometheus metrics."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toxgrade.server.http import incomplete
from toxgrade.server.process import REQUEST_ID
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import Runtime

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The label of a path that no route has, and of a method that is none of ``METHODS``."""

_REQUEST_ID = re.compile(rb"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
_WENT_AWAY = 499
_OWN_PAGES = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_DOCS = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self';"
    " img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
)
"""The policy of /docs: Swagger starts with an inline script; its page shows no caller's data."""

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"strict-transport-security", b"max-age=31536000"),  # Browsers ignore it without TLS.
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _OWN_PAGES.encode()),
)
"""Added to every answer, except those that the answer sets itself."""

_numbers = count()
_log = structlog.get_logger()


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = Gauge(
            "toxgrade_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self._requests = Counter(
            "toxgrade_requests",
            "Requests answered; status 499 where the caller went away first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "toxgrade_request_seconds",
            "From a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch_rows = Gauge(
            "toxgrade_batch_rows",
            "Rows of stored batches by the state of their task.",
            ("state",),
            registry=self.registry,
        )
        self._verified = Gauge(
            "toxgrade_audit_verified_age_seconds",
            "Since `toxgrade audit verify` last found no fault; NaN: never.",
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a template, never a path, so that there are few labels."""
        key = (method, route, status)
        found = self._children.get(key)
        if found is None:
            counter = self._requests.labels(method, route, status)
            found = self._children[key] = counter, self._seconds.labels(method, route)
        found[0].inc()
        found[1].observe(seconds)

    def watch(self, writer: Writer) -> None:
        """Add a writer's counts, which are read whenever Prometheus collects."""
        self.registry.register(_WriterCounts(writer))

    def set_batch_rows(self, rows: Mapping[str, int]) -> None:
        """Set how many rows of stored batches are in each state now."""
        self._batch_rows.clear()
        for state, number in rows.items():
            self._batch_rows.labels(state).set(number)

    def set_verified(self, moment: datetime | None, now: datetime) -> None:
        """Set when the audit was last verified; None: never."""
        age = (now - moment).total_seconds() if moment else math.nan
        self._verified.set(age)


class _WriterCounts(Collector):
    """A writer's counts; the mean group size is the increase of jobs over that of groups."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterator[Metric]:
        writer = self._writer
        yield GaugeMetricFamily("toxgrade_writer_waiting", "Jobs not yet begun.", writer.waiting)
        yield CounterMetricFamily("toxgrade_writer_groups", "Commits together.", writer.groups)
        yield CounterMetricFamily("toxgrade_writer_jobs", "Jobs in those groups.", writer.jobs)


def own_path(scope: Scope) -> str:
    """Return the path of a request without ``TOXGRADE_ROOT_PATH``, as the routes declare it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class RequestMiddleware:
    """The outermost middleware, in plain ASGI: it takes some tens of microseconds per request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, runtime: Runtime) -> None:
        self._app, self._metrics = app, metrics
        self._monotonic = runtime.monotonic
        self._process = runtime.random.randbytes(8).hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = self._monotonic(), _WENT_AWAY
        request_id = _request_id(scope, self._process)
        REQUEST_ID.set(request_id)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [*incomplete.headers(state), (b"x-request-id", request_id.encode())]
                message["headers"] = _headers(message["headers"], own, own_path(scope))
            await send(message)

        # Routes answer HEAD as GET; the server, which has its own scope, leaves out the body.
        inner = dict(scope, method="GET") if scope["method"] == "HEAD" else scope
        state = inner.setdefault("state", {})
        self._metrics.in_flight.inc()
        try:
            await self._app(inner, receive, answer)
        finally:
            self._metrics.in_flight.dec()
            route = getattr(inner.get("route"), "path", OTHER)
            self._report(scope["method"], route, status, self._monotonic() - started)

    def _report(self, sent: str, route: str, status: int, seconds: float) -> None:
        method = sent if sent in METHODS else OTHER
        self._metrics.count_request(method, route, status, seconds)
        _log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


def _request_id(scope: Scope, process: str) -> str:
    """Return the proxy's id if it is a UUID, else a new one of this process: other text
    could be a name."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{process}{next(_numbers):016x}"


def _headers(
    given: list[tuple[bytes, bytes]], added: Sequence[tuple[bytes, bytes]], path: str
) -> list[tuple[bytes, bytes]]:
    present = {name for name, _ in given}
    own = [pair for pair in SECURITY if pair[0] not in present]
    headers = [*given, *own, *added]
    if path == "/docs":
        MutableHeaders(raw=headers)["content-security-policy"] = _DOCS
    return headers


def is_of_browser_clients(scope: Scope) -> bool:
    """Return whether a request is for the CDS service, which clients in browsers may call."""
    return own_path(scope).startswith("/cds-services")


class BrowserClients:
    """CORS for the CDS service alone; every other route stays same-origin."""

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
        is_cds = scope["type"] == "http" and is_of_browser_clients(scope)
        await (self._open if is_cds else self._app)(scope, receive, send)
