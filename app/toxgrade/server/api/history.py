"""Routes of a grade's history, of withdrawal and erasure, and of the audit."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from toxgrade.errors import PreconditionMissing, Unavailable
from toxgrade.server.access import EVERY_STUDY
from toxgrade.server.api import responses
from toxgrade.server.api.fields import PatientName, RequestModel, StudyName, Text
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.jobs.batches import ended_batches
from toxgrade.server.jobs.upload_store import UploadStore, leave_out
from toxgrade.server.records.audit_log import INSTALLATION, list_entries
from toxgrade.server.records.db.append import add_audit_note
from toxgrade.server.records.db.engine import empty_write_ahead_log
from toxgrade.server.records.erase import erase_patient, withdraw
from toxgrade.server.records.grade_queries import grade_history
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=JsonRoute
)
audit_router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["audit"],
    route_class=JsonRoute,
    dependencies=[require_role("manager")],
)
installation_router = APIRouter(
    prefix="/v1", tags=["audit"], route_class=JsonRoute, dependencies=[require_role("admin")]
)

GradeId = Annotated[int, Path(ge=1, le=2**53, description="As the answers' `id`.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[int, Query(ge=0, lt=2**31)]  # The database numbers entries in 32 bits.


class ReasonRequest(RequestModel):
    """Why; it is kept in the audit. No patient's values, no names."""

    reason: Annotated[Text, Field(min_length=3, examples=["sent for the wrong patient"])]


@router.get(
    "/grades/{grade}/history",
    summary="Every version of a grade, and who brought it about",
    dependencies=[require_role("reader")],
)
async def history(
    service: TheService, study: StudyName, patient: PatientName, grade: GradeId
) -> dict[str, Any]:
    """The grades of the same result and term, oldest first, each with the result as it was then."""

    def query(connection: Connection) -> list[dict[str, Any]]:
        return [
            responses.stored(row) | {"audit": entry._asdict() if entry else None}
            for row, entry in grade_history(connection, study, patient, grade)
        ]

    return {"history": await service.read(query)}


@router.post(
    "/grades/{grade}/withdrawal",
    status_code=201,
    summary="Withdraw the result of a grade",
    dependencies=[require_role("writer")],
)
async def withdrawal(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    grade: GradeId,
    asked: Annotated[ReasonRequest, Body()],
) -> Response:
    """Take back a result that should not be there, such as one sent for the wrong patient.

    It then counts as entered in error; what it changed is graded again, the old stays readable.
    """

    def save(connection: Connection) -> dict[str, Any]:
        withdraw(connection, study, patient, grade, asked.reason, service.graders)
        last, _ = grade_history(connection, study, patient, grade)[-1]
        return {"study": study, "patient": patient, "grade": responses.stored(last)}

    return await service.store(save)


@router.delete(
    "",
    summary="Erase a patient's values for good",
    dependencies=[require_role("admin")],
    openapi_extra={
        "parameters": [
            {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
        ]
    },
)
async def erase(
    request: Request,
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[ReasonRequest, Body()],
) -> JSONResponse:
    """For a legal duty to erase: every value is deleted, the audit keeps that it was, and why.

    Needs `If-Match` with the ETag of the patient as read just before. The pseudonym stays taken.
    The patient's rows go from the graded rows of the study's batches too; none may be under way.
    """
    if "if-match" not in request.headers:
        raise PreconditionMissing("erasing needs If-Match with the patient's ETag")

    def save(connection: Connection) -> int:
        rows = erase_patient(connection, study, patient, asked.reason)
        if ended := ended_batches(connection, study):
            store = UploadStore(service.settings.batches_dir)
            leave_out([patient], store, ended, written)
            add_audit_note(connection, graded_rows=written)
        return rows

    written: dict[str, str] = {}
    try:
        rows = await service.write(save)
    except Unavailable:  # The files that are written stay so, whatever became of the rest.
        await service.write(lambda connection: add_audit_note(connection, graded_rows=written))
        raise
    await run_in_threadpool(empty_write_ahead_log, service.engine)
    return JSONResponse({"study": study, "patient": patient, "rows_erased": rows})


@audit_router.get("/audit", summary="Who did what, when, from where, with which outcome")
async def entries(
    service: TheService, study: StudyName, limit: Limit = 100, cursor: Cursor = 0
) -> dict[str, Any]:
    """In order, page by page, each with its hash; `toxgrade audit verify` holds the chain to it."""
    return await _page(service, study, None, limit, cursor)


@audit_router.get("/patients/{patient}/audit", summary="What the audit says of one patient")
async def entries_of_patient(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    limit: Limit = 100,
    cursor: Cursor = 0,
) -> dict[str, Any]:
    """The entries that name the patient; those of the whole study are not among them."""
    return await _page(service, study, patient, limit, cursor)


@installation_router.get("/audit", summary="What the audit says of the installation")
async def entries_of_installation(
    service: TheService, limit: Limit = 100, cursor: Cursor = 0
) -> dict[str, Any]:
    """Keys, studies, sign-ins, starts, migrations, verifications and bad credentials, in order."""
    service.require("admin", EVERY_STUDY)
    return await _page(service, INSTALLATION, None, limit, cursor)


async def _page(
    service: TheService, study: str, patient: str | None, limit: int, cursor: int
) -> dict[str, Any]:
    def query(connection: Connection) -> list[dict[str, Any]]:
        study_id = 0 if study == INSTALLATION else find_study(connection, study).id
        return list_entries(connection, study_id, patient, limit + 1, cursor)

    found = await service.read(query, study=study)
    following = found[limit - 1]["seq"] if len(found) > limit else None
    return {"entries": found[:limit], "next": following}
