"""What every handler works with: built once by ``create_app``, kept in ``app.state``."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import Depends
from sqlalchemy import Connection, Engine
from starlette.requests import Request

from app.access.callers import Caller, Role
from app.access.credentials import Credentials
from app.criteria.vocabulary import Vocabulary
from app.errors import Unavailable
from app.grading.one import Graders
from app.http.rates import Rates
from app.records.engine import reading
from app.records.writer import Writer
from app.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """Settings, criteria, database and the one writer of this process.

    Handlers get one that knows the ``caller`` of their request; None on a route open to everyone.
    """

    settings: Settings
    graders: Graders
    vocabularies: Mapping[str, Vocabulary]
    engine: Engine
    writer: Writer
    credentials: Credentials
    rates: Rates
    caller: Caller | None = None

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

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Run a job in the writer; its answer comes once it is durable."""
        return await asyncio.wrap_future(self.writer.submit(job))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in a thread, in a transaction that only reads.

        Raises:
            Unavailable: it took longer than ``TOXGRADE_READ_SECONDS``.
        """

        def run() -> T:
            with reading(self.engine).begin() as connection:
                return query(connection)

        try:
            async with asyncio.timeout(self.settings.read_seconds):
                return await to_thread.run_sync(run, abandon_on_cancel=True)
        except TimeoutError:
            raise Unavailable("the database did not answer in time; try again later") from None


async def _service(request: Request) -> Service:  # sync ones would each cost a thread
    service: Service = request.app.state.service
    return replace(service, caller=getattr(request.state, "caller", None))


TheService = Annotated[Service, Depends(_service)]
