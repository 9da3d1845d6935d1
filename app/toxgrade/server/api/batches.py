"""Routes of batches: lab exports of any size that are graded and stored in the background."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from toxgrade.cohort.described import answer, described
from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.api.fields import StudyName, Text
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.document import NEXT
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.multipart import UPLOAD
from toxgrade.server.http.service import TheService
from toxgrade.server.http.transfers import PARQUET, graded_rows, receive, rejects_csv, uploads
from toxgrade.server.jobs.batches import (
    Progress,
    State,
    cancel_batch,
    create_batch,
    find_batch,
    list_batches,
)
from toxgrade.server.jobs.rejects import Place, list_rejects
from toxgrade.server.records.studies import find_study

router = APIRouter(prefix="/v1/studies/{study}/batches", tags=["batches"], route_class=JsonRoute)

_CURSOR = "([0-9]{1,15})-([0-9]{1,18})"
_CURSOR_SCHEMA = {"pattern": f"^{_CURSOR}$"}
BatchId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@answer
class QuarantinedChunk:
    """A part of the file that could not be stored."""

    chunk: int = described("Its number in the batch.", 3)
    rows: int = described("The number of its rows.", 5000)
    reason: str = described("Why it could not be stored.", "the database was not writable")


@answer
class BatchAnswer:
    """How far a batch has come."""

    id: str = described("The batch's id.", "0123456789abcdef0123456789abcdef")
    study: str = described("The study's name.", "demo")
    state: State = described(
        "`incomplete`: finished, with parts set aside; `failed`: the file cannot be used.", "done"
    )
    detail: str | None = described("Why it failed, or waits; null: nothing to tell.", None)
    rows_total: int | None = described("Of the file; null: not counted yet.", 1200)
    rows_done: int = described("Rows that are stored or refused.", 1200)
    rows_rejected: int = described("Rows in the list of rejects.", 2)
    phase_unknown: Mapping[str, int] = described(
        "Gradings with a grade or bounds but without a phase, by reason.", {"no_date": 1}
    )
    quarantined: Sequence[QuarantinedChunk] = described("The parts that are set aside.", [])
    upload_sha256: str = described("Of the files, and of how they are read.", "ab" * 32)
    reading: Mapping[str, object] = described(
        "What was declared of the file, by parameter.", {"date_format": "%d.%m.%Y"}
    )
    read_as: str | None = described(
        "How the file was read, for people; null: not counted yet.", "CSV, one row per result"
    )
    software: str | None = described("The version that grades; null: not counted yet.", "0.2.0")
    criteria_sha256: str | None = described(
        "Of the edition's file; null: not counted yet.", "cd" * 32
    )
    recorded_at: str = described("When the upload was safe.", "2026-11-30T09:15:00+00:00")
    finished_at: str | None = described(
        "When it ended; null: it has not.", "2026-11-30T09:15:20+00:00"
    )


@answer
class BatchList:
    """Batches of a study."""

    batches: Sequence[BatchAnswer] = described("The newest first.")


@answer
class RejectAnswer:
    """A row that cannot be read or stored as it is, without its values."""

    row: int = described("Its number, from 1.", 17)
    line: int | None = described("Its line; null: the format has no lines.", 18)
    column: str = described("By its name in the file.", "unit")
    reason: str = described("What to correct.", "unknown-unit")
    stored: bool = described("It is kept as reported, without a grade; false: it is not.", True)


@answer
class RejectPage:
    """A page of rejects."""

    rejects: Sequence[RejectAnswer] = described("In the order of the file.")
    next: str | None = described(NEXT, None)


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
    store = uploads(service)
    upload = await receive(request, filename, service)
    try:
        answer = await service.store(
            lambda c: _study_last(_answer(study, create_batch(c, study, upload))),
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


@router.get("", summary="Batches", dependencies=[require_role("reader")])
async def get_batches(
    service: TheService, study: StudyName, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> BatchList:
    """The newest batches of a study, the newest first."""
    found = await service.read(lambda c: list_batches(c, study, limit))
    return BatchList([_answer(study, batch) for batch in found])


@router.get("/{batch}", summary="How far a batch has come", dependencies=[require_role("reader")])
async def get_batch(service: TheService, study: StudyName, batch: BatchId) -> BatchAnswer:
    """State and counts; a batch has ended when it has ``finished_at``."""
    return _answer(study, await service.read(lambda c: find_batch(c, study, batch)))


@router.delete("/{batch}", summary="Cancel a batch", dependencies=[require_role("writer")])
async def delete_batch(service: TheService, study: StudyName, batch: BatchId) -> BatchAnswer:
    """Stop a batch and remove its file. What it has stored stays: nothing is ever deleted."""
    cancelled = await service.write(lambda c: cancel_batch(c, study, batch))
    await run_in_threadpool(uploads(service).remove, batch)
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
    return JsonAnswer(RejectPage([RejectAnswer(*astuple(row)) for row in rows], page))


@router.get(
    "/{batch}/grades.parquet", response_class=FileResponse, summary="The graded rows",
    dependencies=[require_role("reader")],
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}},
)  # fmt: skip
async def get_graded_rows(service: TheService, study: StudyName, batch: BatchId) -> FileResponse:
    """The input columns with the grades as they were stored; one row for each row and term."""
    return await graded_rows(service, study, batch)


def _answer(study: str, batch: Progress) -> BatchAnswer:
    return BatchAnswer(
        id=batch.id,
        study=study,
        state=batch.state,
        detail=batch.detail,
        rows_total=batch.rows_total,
        rows_done=batch.rows_done,
        rows_rejected=batch.rows_rejected,
        phase_unknown=batch.phase_unknown,
        quarantined=[QuarantinedChunk(*chunk) for chunk in batch.quarantined],
        upload_sha256=batch.upload_sha256,
        reading=batch.reading,
        read_as=batch.read_as,
        software=batch.software,
        criteria_sha256=batch.criteria_sha256,
        recorded_at=batch.recorded_at.isoformat(),
        finished_at=batch.finished_at.isoformat() if batch.finished_at else None,
    )


def _study_last(batch: BatchAnswer) -> Mapping[str, object]:
    """Return a new batch with its fields in the order in which uploads were always answered."""
    return {name: held for name, held in vars(batch).items() if name != "study"} | {
        "study": batch.study
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
