"""Routes of a grade's history, of withdrawal and erasure."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Path
from fastapi.responses import Response
from msgspec.structs import asdict
from pydantic import Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from toxgrade.cohort.described import answer, described
from toxgrade.errors import PreconditionMissing, Unavailable
from toxgrade.server.api import responses
from toxgrade.server.api.fields import PatientName, RequestModel, StudyName, Text
from toxgrade.server.api.patient_answers import ErasureAnswer, OfPatient
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.http.transfers import uploads
from toxgrade.server.jobs.batches import ended_batches
from toxgrade.server.jobs.upload_store import leave_out
from toxgrade.server.records.db.engine import empty_write_ahead_log
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.erase import erase_patient, withdraw
from toxgrade.server.records.grade_queries import grade_history

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=JsonRoute
)

GradeId = Annotated[int, Path(ge=1, le=2**53, description="As the answers' `id`.")]


class ReasonRequest(RequestModel):
    """Why; it is kept in the audit. No patient's values, no names."""

    reason: Annotated[Text, Field(min_length=3, examples=["sent for the wrong patient"])] = Field(
        description="Of at least 3 characters."
    )


@answer
class AuditNote:
    """Who brought a version about."""

    seq: int = described("The number of the entry in the study's audit.", 12)
    at: str = described("When.", "2026-11-30T09:15:00+00:00")
    actor: str = described("The caller's key or token, or the program.", "lab")
    reason: str | None = described("As it was given; null: none was.", None)


class GradeVersion(responses.StoredGradeAnswer):
    """A version of a grade, with the result as it was then."""

    audit: AuditNote | None = Field(description="null: it is older than the audit.")


@answer
class GradeHistory:
    """The versions of a grade."""

    history: Sequence[GradeVersion] = described("Of the same result and term, oldest first.")


@answer
class WithdrawalAnswer(OfPatient):
    """The grade of a result that was withdrawn."""

    grade: responses.StoredGradeAnswer = described("As it is now: not decided, `not-final`.")


@router.get(
    "/grades/{grade}/history",
    response_model=GradeHistory,
    summary="Every version of a grade, and who brought it about",
    dependencies=[require_role("reader")],
)
async def get_grade_history(
    service: TheService, study: StudyName, patient: PatientName, grade: GradeId
) -> JsonAnswer:
    """The grades of the same result and term, oldest first, each with the result as it was then."""

    def query(connection: Connection) -> list[Mapping[str, object]]:
        return [
            asdict(responses.stored(row)) | {"audit": entry._asdict() if entry else None}
            for row, entry in grade_history(connection, study, patient, grade)
        ]

    return JsonAnswer({"history": await service.read(query)})


@router.post(
    "/grades/{grade}/withdrawal",
    status_code=201,
    response_model=WithdrawalAnswer,
    summary="Withdraw the result of a grade",
    dependencies=[require_role("writer")],
)
async def post_withdrawal(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    grade: GradeId,
    asked: Annotated[ReasonRequest, Body()],
) -> Response:
    """Take back a result that should not be there, such as one sent for the wrong patient.

    It then counts as entered in error; what it changed is graded again, the old stays readable.
    """

    def save(transaction: Transaction) -> Mapping[str, object]:
        withdraw(transaction, study, patient, grade, asked.reason, service.graders)
        last, _ = grade_history(transaction.read(), study, patient, grade)[-1]
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
async def delete_patient(
    request: Request,
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[ReasonRequest, Body()],
) -> ErasureAnswer:
    """For a legal duty to erase: every value is deleted, the audit keeps that it was, and why.

    Needs `If-Match` with the ETag of the patient as read just before. The pseudonym stays taken.
    The patient's rows go from the graded rows of the study's batches too; none may be under way.
    """
    if "if-match" not in request.headers:
        raise PreconditionMissing("erasing needs If-Match with the patient's ETag")

    def save(transaction: Transaction) -> int:
        rows = erase_patient(transaction, study, patient, asked.reason)
        if ended := ended_batches(transaction.connection, study):
            store = uploads(service)
            leave_out([patient], store, ended, written)
            transaction.note(graded_rows=written)
        return rows

    written: dict[str, str] = {}
    try:
        rows = await service.write(save)
    except Unavailable:  # The files that are written stay so, whatever became of the rest.
        await service.write(lambda transaction: transaction.note(graded_rows=written))
        raise
    await run_in_threadpool(empty_write_ahead_log, service.engine)
    return ErasureAnswer(study, patient, rows)
