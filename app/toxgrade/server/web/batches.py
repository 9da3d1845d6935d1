"""The pages of batches: uploads of lab exports, their progress, rejects and graded rows."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import TheService
from toxgrade.server.http.transfers import graded_rows, receive, rejects_csv, uploads
from toxgrade.server.jobs.batches import (
    Progress,
    cancel_batch,
    create_batch,
    find_batch,
    list_batches,
)
from toxgrade.server.jobs.rejects import Reject, list_rejects
from toxgrade.server.records.studies import Study, find_study
from toxgrade.server.web.page import PageRoute, page
from toxgrade.tabular.options import OPTIONS

router = APIRouter(
    prefix="/studies/{study}/batches", route_class=PageRoute, include_in_schema=False
)
_READER, _WRITER = require_role("reader", session=True), require_role("writer", session=True)

BatchId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
_MAX_BATCHES = 50
_MAX_REJECTS = 200  # The page shows the first ones; a file has all of them.


@router.get("", dependencies=[_READER])
async def batches(service: TheService, study: str) -> HTMLResponse:
    """The newest batches, and for writers the form to hand in another."""

    def query(connection: Connection) -> tuple[Study, list[Progress]]:
        return find_study(connection, study), list_batches(connection, study, _MAX_BATCHES)

    found, newest = await service.read(query)
    writes = service.may("writer", study)
    choices = {option.name: option.choices for option in OPTIONS}
    return page("batches.html", study=found, batches=newest, writes=writes, choices=choices)


@router.post("", dependencies=[require_role("writer", session=True)])
async def upload(request: Request, service: TheService, study: str) -> RedirectResponse:
    """Receive a form with ``labs`` and ``patients``; the same files again are the same batch."""
    await service.read(lambda c: find_study(c, study))
    store = uploads(service)
    received = await receive(request, None, service)
    try:
        batch = await service.write(lambda c: create_batch(c, study, received))
    except BaseException:
        await run_in_threadpool(store.remove, received.batch_id)
        raise
    if batch.id != received.batch_id:
        await run_in_threadpool(store.remove, received.batch_id)
    return RedirectResponse(f"/studies/{study}/batches/{batch.id}", 303)


@router.get("/{batch}", dependencies=[_READER])
async def batch(service: TheService, study: str, batch: BatchId) -> HTMLResponse:
    """How far it has come, and the first of its rejects; the page's script asks for it again."""

    def query(connection: Connection) -> tuple[Study, Progress, list[Reject]]:
        rejects, _ = list_rejects(connection, study, batch, _MAX_REJECTS, (0, 0))
        return find_study(connection, study), find_batch(connection, study, batch), rejects

    found, progress, rejects = await service.read(query)
    writes = service.may("writer", study)
    return page("batch.html", study=found, batch=progress, rejects=rejects, writes=writes)


@router.post("/{batch}/cancel", dependencies=[_WRITER])
async def cancel(service: TheService, study: str, batch: BatchId) -> RedirectResponse:
    """Stop a batch and remove its file; what it has stored stays."""
    await service.write(lambda c: cancel_batch(c, study, batch))
    await run_in_threadpool(uploads(service).remove, batch)
    return RedirectResponse(f"/studies/{study}/batches/{batch}", 303)


@router.get("/{batch}/rejects.csv", dependencies=[_READER])
async def rejects(service: TheService, study: str, batch: BatchId) -> StreamingResponse:
    """All rows that cannot be read or stored as they are."""
    await service.read(lambda c: find_batch(c, study, batch))
    return rejects_csv(service, study, batch)


@router.get("/{batch}/grades.parquet", dependencies=[_READER])
async def grades(service: TheService, study: str, batch: BatchId) -> FileResponse:
    """The graded rows."""
    return await graded_rows(service, study, batch)
