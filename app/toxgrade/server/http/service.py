"""The service object that handlers work with: built once at start-up, kept in ``app.state``."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec
from anyio import to_thread
from fastapi import Depends
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import RequestError, Unavailable
from toxgrade.grading.rules import Graders
from toxgrade.server.access import ANYONE, Caller, Role
from toxgrade.server.access.credentials import Credentials
from toxgrade.server.access.sessions import Sessions
from toxgrade.server.http import audit_context, incomplete
from toxgrade.server.http.guesses import Guesses
from toxgrade.server.http.lanes import Lane
from toxgrade.server.http.long_bodies import LongBodies
from toxgrade.server.http.preferences import APPLIED, prefers_minimal
from toxgrade.server.http.rate_limit import RateLimits
from toxgrade.server.http.readiness import Readiness
from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.db.append import as_of_snapshot
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.preconditions import Answer, unless_stale
from toxgrade.server.records.writer import Writer
from toxgrade.server.reports.liver_safety import KeptReports
from toxgrade.server.runtime import Runtime
from toxgrade.server.settings import Settings

T = TypeVar("T")

REPLAYED = "Idempotency-Replayed"
"""The header that marks an answer as that of an earlier request with the same key."""

_JSON = msgspec.json.Encoder(decimal_format="number")


class Service(msgspec.Struct, frozen=True):
    """Settings, criteria, database and the one writer of this process; and callers' shares.

    Each handler gets a copy with its request, so that what it reads or writes is audited.
    """

    settings: Settings
    graders: Graders
    vocabularies: Mapping[str, Vocabulary]
    engine: Engine
    writer: Writer
    runtime: Runtime
    credentials: Credentials
    sessions: Sessions
    rates: RateLimits
    readiness: Readiness
    costly: Lane
    guesses: Guesses
    long_bodies: LongBodies
    liver_reports: KeptReports
    request: Request | None = None

    @property
    def caller(self) -> Caller | None:
        """Return who calls; None on a route that is open to everyone."""
        return getattr(self.request.state, "caller", None) if self.request else None

    def may(self, role: Role, study: str) -> bool:
        """Return whether the caller has at least this role on a study."""
        return self.caller is not None and self.caller.may(role, study)

    def require(self, role: Role, study: str) -> None:
        """Refuse a caller who lacks this role on a study, as ``Caller.require`` does."""
        assert self.caller is not None, "a route that declares no need was let through"
        self.caller.require(role, study)

    @property
    def payer(self) -> str | None:
        """Return the name of the caller whose share a request takes; None: nobody's."""
        return None if self.caller in (None, ANYONE) else self.caller.name

    def spend(self, cost: float) -> None:
        """Take tokens from the caller's bucket; raise ``TooManyRequests`` if it lacks them."""
        if self.payer is not None:
            self.rates.spend(self.payer, cost)

    async def write(
        self,
        job: Callable[[Transaction], T],
        *,
        study: str | None = None,
        patient: str | None = None,
        action: AuditAction | None = None,
    ) -> T:
        """Run a job in the writer; return its result once it and its audit entry are durable.

        ``study``, ``patient``: what it concerns where its path does not say so; ``action``: its
        entry where the caller is not admitted yet.
        """
        own = self._audit_action(study, patient)
        work = self.writer.ask(self._guarded(job, own), action or own)
        return await self._audited(action or own, work)

    async def store(
        self, job: Callable[[Transaction], T], status: int = 201, *,
        show: Callable[[T], object] | None = None, study: str | None = None,
        patient: str | None = None, content: bytes | None = None, part: int | None = None,
        is_panel: bool = False, media_type: str = "application/json",
    ) -> Response:  # fmt: skip
        """Run the job of a POST as ``write`` does, once per ``Idempotency-Key``; return its answer.

        The job returns the answer's JSON, whose decimals are written as numbers, or what ``show``
        makes JSON of: that is left out if the request prefers a minimal answer, and kept under its
        key all the same. ``content`` stands for a body that was read as a stream; ``part`` numbers
        the job if the request has several (None: it has one); ``is_panel`` as in ``Writer.submit``.

        Raises:
            Unavailable: it took longer than ``TOXGRADE_WRITE_SECONDS``. A job that has begun may
                still be stored; the same request sent again then changes nothing.
        """
        action, key = self._audit_action(study, patient), None
        is_minimal = show is not None and prefers_minimal(self.request)
        if self.request is not None and self.caller is not None:
            key = await audit_context.idempotency_key(
                self.request, self.caller, action, content, part
            )
        is_needed = key is not None or not is_minimal

        def answer_of(transaction: Transaction) -> Answer:
            found = job(transaction)
            shown = show(found) if show and is_needed else found
            return Answer(status, _JSON.encode(shown) if is_needed else b"")

        guarded = self._guarded(answer_of, action)
        work = self._in_time(self.writer.ask(guarded, action, key, is_panel=is_panel))
        answer = await self._audited(action, work)
        headers = {REPLAYED: "true"} if answer.replayed else {}
        if is_minimal:
            return Response(None, answer.status, headers | APPLIED)
        return Response(answer.body, answer.status, headers, media_type)

    async def read(
        self, query: Callable[[Connection], T], *, study: str | None = None,
        patient: str | None = None, is_costly: bool = False,
    ) -> T:  # fmt: skip
        """Run a query in a thread and a read-only transaction; return once the audit has it.

        ``study`` and ``patient`` as in ``write``, ``is_costly`` as in ``in_thread``.

        Raises:
            Unavailable: it took longer than ``TOXGRADE_READ_SECONDS``.
        """
        moment = getattr(self.request.state, "as_of", None) if self.request else None
        action = self._audit_action(study, patient)

        def run() -> T:
            with (
                read_only(self.engine).connect() as connection,
                incomplete.told(self.request, connection, action),
                as_of_snapshot(connection, moment) if moment else nullcontext(),
            ):
                return query(connection)

        found = await self._audited(action, self.in_thread(run, is_costly=is_costly))
        if action is not None:
            await self._record(action)
        return found

    async def beside_the_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns, awaited where requests with long bodies are."""
        return await self.long_bodies.handle(work, self.payer or "")

    async def in_thread(self, job: Callable[[], T], *, is_costly: bool = False) -> T:
        """Run a job in a thread, for whose time the caller pays, or raise ``Unavailable`` in time.

        ``is_costly``: it may read a whole study or draws a chart, and goes into their lane.
        """
        clock = time.perf_counter if is_costly else time.thread_time

        def run() -> T:
            with self.rates.charged(self.payer, clock):
                return job()

        try:
            async with asyncio.timeout(self.settings.read_seconds):
                if is_costly:
                    return await self.costly.run(run, self.payer or "")
                return await to_thread.run_sync(run, abandon_on_cancel=True)
        except TimeoutError:
            raise Unavailable("the database did not answer in time; try again later") from None

    async def audit_denial(self, request: Request, caller: Caller, study: str | None) -> None:
        """Record in the audit of the study, if it exists, that the caller was denied."""
        if action := audit_context.audit_action(request, caller, study):
            await self._record(replace(action, outcome="denied"))

    def _guarded(
        self, job: Callable[[Transaction], T], action: AuditAction | None
    ) -> Callable[[Transaction], T]:
        """Return the job, for whose time the caller pays, refused if ``If-Match`` is not met."""
        expected = self.request.headers.get("if-match") if self.request else None
        if action is not None and expected is not None:
            job = unless_stale(job, action.study, action.patient, expected)

        def run(transaction: Transaction) -> T:
            with self.rates.charged(self.payer):
                return job(transaction)

        return run

    def _audit_action(self, study: str | None, patient: str | None) -> AuditAction | None:
        if self.request is None or self.caller is None:
            return None
        return audit_context.audit_action(self.request, self.caller, study, patient)

    async def _audited(self, action: AuditAction | None, work: Awaitable[T]) -> T:
        """Return the result of the work; a refusal is audited before it is raised."""
        try:
            return await work
        except RequestError as error:
            if action:
                await self._record(replace(action, outcome=f"refused: {type(error).__name__}"))
            raise

    async def _record(self, action: AuditAction) -> None:
        await self._in_time(self.writer.ask(lambda _: None, action))

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Return the result of a job; a job that has not begun in time never runs."""
        try:
            async with asyncio.timeout(self.settings.write_seconds):
                return await work
        except TimeoutError:
            raise Unavailable("not answered in time; this may be stored or not") from None


async def service_of(request: Request) -> Service:
    """Return the service for one request; async, as FastAPI would run it in a thread otherwise."""
    service: Service = request.app.state.service
    return msgspec.structs.replace(service, request=request)


TheService = Annotated[Service, Depends(service_of)]
