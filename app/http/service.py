"""What every handler works with: built once by ``create_app``, kept in ``app.state``."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.criteria.vocabulary import Vocabulary
from app.grading.one import Graders
from app.records.engine import reading
from app.records.writer import Writer
from app.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """Settings, criteria, database and the one writer of this process."""

    settings: Settings
    graders: Graders
    vocabularies: Mapping[str, Vocabulary]
    engine: Engine
    writer: Writer

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Run a job in the writer; its answer comes once it is durable."""
        return await asyncio.wrap_future(self.writer.submit(job))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in a thread, in a transaction that only reads."""

        def run() -> T:
            with reading(self.engine).begin() as connection:
                return query(connection)

        return await run_in_threadpool(run)


async def _service(request: Request) -> Service:  # sync ones would each cost a thread
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


TheService = Annotated[Service, Depends(_service)]
