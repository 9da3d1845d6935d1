"""Routes of batches: lab exports of any size that are graded and stored in the background."""

import json
import re
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.api.fields import StudyName, Text
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.multipart import UPLOAD
from toxgrade.server.http.service import TheService
from toxgrade.server.http.transfers import PARQUET, graded_rows, receive, rejects_csv
from toxgrade.server.jobs.batches import (
    Progress,
    cancel_batch,
    create_batch,
    find_batch,
    list_batches,
)
from toxgrade.server.jobs.rejects import Place, list_rejects
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.records.studies import find_study

router = APIRouter(prefix="/v1/studies/{study}/batches", tags=["batches"], route_class=JsonRoute)

_CURSOR = "([0-9]{1,15})-([0-9]{1,18})"
_CURSOR_SCHEMA = {"pattern": f"^{_CURSOR}$"}
BatchId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class QuarantinedChunk(BaseModel):
    """A part of the file that could not be stored, and why."""

    chunk: int
    rows: int
    reason: str


class BatchAnswer(BaseModel):
    """How far a batch has come; ``rows_total`` is null until the file has been counted.

    ``state``: ``queued``, ``running``, ``done``, ``incomplete`` (finished, parts set aside),
    ``failed`` (the file cannot be used; ``detail`` says why) or ``cancelled``. ``phase_unknown``:
    gradings with a grade or bounds, but without a phase, by reason. ``reading``: what
    was declared of the file; ``read_as``: how it was read, null until it has been counted.
    """

    id: str
    study: str
    state: str
    detail: str | None
    rows_total: int | None
    rows_done: int
    rows_rejected: int
    phase_unknown: dict[str, int]
    quarantined: list[QuarantinedChunk]
    upload_sha256: str
    reading: dict[str, Any]
    read_as: str | None
    software: str | None
    criteria_sha256: str | None
    recorded_at: str
    finished_at: str | None


class BatchList(BaseModel):
    """The newest batches of a study."""

    batches: list[BatchAnswer]


class RejectAnswer(BaseModel):
    """A row that cannot be read or stored as it is, without its values.

    ``stored``: it is kept as reported, without a grade; false: it is not in the database.
    """

    row: int
    line: int | None
    column: str
    reason: str
    stored: bool


class RejectPage(BaseModel):
    """A page of rejects; ``next`` is the cursor of the following page, null on the last."""

    rejects: list[RejectAnswer]
    next: str | None


@router.post(
    "", status_code=202, response_model=BatchAnswer, summary="Store a lab export",
    openapi_extra=UPLOAD, dependencies=[require_role("writer")],
)  # fmt: skip
async def post_batch(
    request: Request, service: TheService, study: StudyName, filename: Text | None = None
) -> Response:
    """Receive a file, or a form with ``labs`` and ``patients``, to be graded and stored.

    The format is that of ``filename`` or of the Content-Type; how else the file is to be read is
    declared by parameters, or by fields of the form. The answer comes once the file is safe; follow
    the batch at its Location. The same bytes, read alike, again are the same batch.
    """
    await service.read(lambda c: find_study(c, study))
    settings = service.settings
    store = UploadStore(settings.batches_dir)
    upload = await receive(request, filename, store, settings.max_batch_bytes)
    try:
        answer = await service.store(
            lambda c: _answer(study, create_batch(c, study, upload)),
            202,
            content=upload.sha256.encode(),
        )
    except BaseException:
        await run_in_threadpool(store.remove, upload.batch_id)
        raise
    batch_id = json.loads(bytes(answer.body))["id"]
    if batch_id != upload.batch_id:
        await run_in_threadpool(store.remove, upload.batch_id)
    answer.headers["Location"] = f"{request.url.path}/{batch_id}"
    return answer


@router.get("", response_model=BatchList, summary="Batches", dependencies=[require_role("reader")])
async def get_batches(
    service: TheService, study: StudyName, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """The newest batches of a study, the newest first."""
    found = await service.read(lambda c: list_batches(c, study, limit))
    return {"batches": [_answer(study, batch) for batch in found]}


@router.get(
    "/{batch}", response_model=BatchAnswer, summary="How far a batch has come",
    dependencies=[require_role("reader")],
)  # fmt: skip
async def get_batch(service: TheService, study: StudyName, batch: BatchId) -> dict[str, Any]:
    """State and counts; a batch has ended when it has ``finished_at``."""
    return _answer(study, await service.read(lambda c: find_batch(c, study, batch)))


@router.delete(
    "/{batch}", response_model=BatchAnswer, summary="Cancel a batch",
    dependencies=[require_role("writer")],
)  # fmt: skip
async def delete_batch(service: TheService, study: StudyName, batch: BatchId) -> dict[str, Any]:
    """Stop a batch and remove its file. What it has stored stays: nothing is ever deleted."""
    cancelled = await service.write(lambda c: cancel_batch(c, study, batch))
    await run_in_threadpool(UploadStore(service.settings.batches_dir).remove, batch)
    return _answer(study, cancelled)


@router.get(
    "/{batch}/rejects", response_model=RejectPage, summary="Rows that could not be read",
    dependencies=[require_role("reader")],
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def get_rejects(
    service: TheService,
    study: StudyName,
    batch: BatchId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=50, json_schema_extra=_CURSOR_SCHEMA)] = None,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """Place, reason and what became of each; in the order of the file, complete at the end.

    ``Accept: text/csv`` gives all of them at once.
    """
    after = _read_cursor(cursor)
    rows, following = await service.read(lambda c: list_rejects(c, study, batch, limit, after))
    if "text/csv" in accept:
        return rejects_csv(service, study, batch)
    page = f"{following[0]}-{following[1]}" if following else None
    return JSONResponse({"rejects": [asdict(row) for row in rows], "next": page})


@router.get(
    "/{batch}/grades.parquet", response_class=FileResponse, summary="The graded rows",
    dependencies=[require_role("reader")],
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}},
)  # fmt: skip
async def get_grades(service: TheService, study: StudyName, batch: BatchId) -> FileResponse:
    """The input columns with the grades as they were stored; one row for each row and term."""
    return await graded_rows(service, study, batch)


def _answer(study: str, batch: Progress) -> dict[str, Any]:
    quarantined = [
        {"chunk": number, "rows": rows, "reason": reason}
        for number, rows, reason in batch.quarantined
    ]
    ended = batch.finished_at
    return asdict(batch) | {
        "study": study,
        "quarantined": quarantined,
        "recorded_at": batch.recorded_at.isoformat(),
        "finished_at": ended.isoformat() if ended else None,
    }


def _read_cursor(cursor: str | None) -> Place:
    """Parse the cursor of a page of rejects, ``ROW-NUMBER``; None is the beginning."""
    if cursor is None:
        return 0, 0
    match = re.fullmatch(_CURSOR, cursor)
    if match is None:
        text = "expected the `next` of an earlier answer"
        raise RequestError(
            "the cursor is not one of ours", [FieldFault(("query", "cursor"), "cursor", text)]
        )
    return int(match[1]), int(match[2])
