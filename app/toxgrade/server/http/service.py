"""What every handler works with: built once by ``create_app``, kept in ``app.state``."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from anyio import to_thread
from fastapi import Depends, Query, params
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import FieldFault, RequestError, Unavailable
from toxgrade.grading.rules import Graders
from toxgrade.server.access import Caller, Role
from toxgrade.server.access.credentials import Credentials
from toxgrade.server.http import audit_context
from toxgrade.server.http.rate_limit import RateLimits
from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.db.append import as_of_snapshot
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.preconditions import Answer, require_tag
from toxgrade.server.records.writer import Writer
from toxgrade.server.settings import Settings

T = TypeVar("T")

REPLAYED = "Idempotency-Replayed"
"""The header of an answer that an earlier request with the same key got."""

_JSON = msgspec.json.Encoder(decimal_format="number")


class Service(msgspec.Struct, frozen=True):
    """Settings, criteria, database and the one writer of this process.

    Handlers get one that knows their request: what it reads or writes of a study is audited.
    """

    settings: Settings
    graders: Graders
    vocabularies: Mapping[str, Vocabulary]
    engine: Engine
    writer: Writer
    credentials: Credentials
    rates: RateLimits
    request: Request | None = None

    @property
    def caller(self) -> Caller | None:
        """Who asks; None on a route that is open to everyone."""
        return getattr(self.request.state, "caller", None) if self.request else None

    def may(self, role: Role, study: str) -> bool:
        """Whether the caller has at least this role on a study."""
        return self.caller is not None and self.caller.may(role, study)

    def require(self, role: Role, study: str) -> None:
        """Refuse a caller who has not this role on the study that the request turned out to be of.

        Raises:
            NotFound: the study is not the caller's to know of.
            Forbidden: the caller's role does not allow it.
        """
        assert self.caller is not None, "a route that declares no need was let through"
        self.caller.require(role, study)

    async def write(
        self,
        job: Callable[[Connection], T],
        *,
        study: str | None = None,
        patient: str | None = None,
    ) -> T:
        """Run a job in the writer; its answer comes once it and its audit entry are durable.

        ``study`` and ``patient`` are what the request is of where its path does not say so.
        """
        act = self._act(study, patient)
        guarded = self._unless_stale(job, act)
        return await self._audited(act, self.writer.submit(guarded, act))

    async def store(
        self,
        job: Callable[[Connection], Any],
        status: int = 201,
        *,
        study: str | None = None,
        patient: str | None = None,
        content: bytes | None = None,
        part: int | None = None,
        is_panel: bool = False,
        media_type: str = "application/json",
    ) -> Response:
        """Like ``write``, for a POST that stores: with an ``Idempotency-Key`` it happens once.

        The job returns the answer's JSON; decimals in it are written as numbers. ``content`` stands
        for a body that was read as a stream; ``part`` numbers what of it this job is, None: all.
        ``is_panel`` as in ``Writer.submit``.

        Raises:
            Unavailable: it took longer than ``TOXGRADE_WRITE_SECONDS``; what has begun may still be
                stored, and sent again changes nothing then.
        """
        act = self._act(study, patient)
        guarded, once = self._unless_stale(job, act), None
        if self.request is not None and self.caller is not None:
            once = await audit_context.idempotency_key(
                self.request, self.caller, act, content, part
            )

        def run(connection: Connection) -> Answer:
            return Answer(status, _JSON.encode(guarded(connection)))

        work = self._in_time(self.writer.submit(run, act, once, is_panel=is_panel))
        answer = await self._audited(act, work)
        replayed = {REPLAYED: "true"} if answer.replayed else None
        return Response(answer.body, answer.status, replayed, media_type)

    async def read(
        self,
        query: Callable[[Connection], T],
        *,
        study: str | None = None,
        patient: str | None = None,
    ) -> T:
        """Run a query in a thread, in a transaction that only reads; answered once it is audited.

        ``study`` and ``patient`` are what the request is of where its path does not say so.

        Raises:
            Unavailable: it took longer than ``TOXGRADE_READ_SECONDS``.
        """

        moment = getattr(self.request.state, "as_of", None) if self.request else None

        def run() -> T:
            with read_only(self.engine).connect() as connection:
                if moment is None:
                    return query(connection)
                with as_of_snapshot(connection, moment):
                    return query(connection)

        act = self._act(study, patient)
        found = await self._audited(act, self._in_thread(run))
        if act:
            await self._tell(act)
        return found

    async def _in_thread(self, run: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self.settings.read_seconds):
                return await to_thread.run_sync(run, abandon_on_cancel=True)
        except TimeoutError:
            raise Unavailable("the database did not answer in time; try again later") from None

    async def denied(self, request: Request, caller: Caller, study: str | None) -> None:
        """Let the audit of the study, if there is one, say that the caller was turned away."""
        if act := audit_context.audit_action(request, caller, study):
            await self._tell(replace(act, outcome="denied"))

    def _unless_stale(
        self, job: Callable[[Connection], T], act: AuditAction | None
    ) -> Callable[[Connection], T]:
        """The job, refused where ``If-Match`` names another state of the patient or the study."""
        expected = self.request.headers.get("if-match") if self.request else None
        if act is None or expected is None:
            return job

        def run(connection: Connection) -> T:
            require_tag(connection, act.study, act.patient, expected)
            return job(connection)

        return run

    def _act(self, study: str | None, patient: str | None) -> AuditAction | None:
        if self.request is None or self.caller is None:
            return None
        return audit_context.audit_action(self.request, self.caller, study, patient)

    async def _audited(self, act: AuditAction | None, work: "Future[T] | Awaitable[T]") -> T:
        """The outcome of the work; if it is refused, the audit says so before the caller hears."""
        try:
            return await (asyncio.wrap_future(work) if isinstance(work, Future) else work)
        except RequestError as error:
            if act:
                await self._tell(replace(act, outcome=f"refused: {type(error).__name__}"))
            raise

    async def _tell(self, act: AuditAction) -> None:
        await self._in_time(self.writer.submit(lambda _: None, act))

    async def _in_time(self, work: "Future[T]") -> T:
        """What comes of a job; one that has not begun in time never does."""
        try:
            async with asyncio.timeout(self.settings.write_seconds):
                return await asyncio.wrap_future(work)
        except TimeoutError:
            text = "the database did not answer in time; this may be stored or not"
            raise Unavailable(text) from None


async def service_of(request: Request) -> Service:  # sync ones would each cost a thread
    """The service as the handler of a request is given it."""
    service: Service = request.app.state.service
    return msgspec.structs.replace(service, request=request)


TheService = Annotated[Service, Depends(service_of)]


async def _as_of(
    request: Request,
    as_of: Annotated[
        str | None,
        Query(max_length=40, description="Show what was stored then: 2026-11-25T12:00:00Z."),
    ] = None,
) -> None:
    if as_of is None:
        return
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        text = "expected a date-time with its offset, such as 2026-11-25T12:00:00Z"
        fault = FieldFault(("query", "as_of"), "unreadable-date-time", text)
        raise RequestError("the time cannot be read", [fault])
    request.state.as_of = moment


def as_of() -> params.Depends:
    """Let a route that reads be asked as of a time: ``dependencies=[…, as_of()]``."""
    return params.Depends(_as_of)
