"""Routes of reviewers' verdicts on a patient's liver safety findings."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, Row

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.api.fields import PatientName, RequestModel, StudyName, Text
from toxgrade.server.http.as_of import as_of
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.liver_reviews import (
    Cause,
    ReviewedFinding,
    Verdict,
    list_reviews,
    record_review,
    review_document,
)
from toxgrade.server.records.patients import find_patient, lock_patient_row
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.liver_safety import possible_findings

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}/liver-safety/reviews",
    tags=["patients"],
    route_class=JsonRoute,
)


class ReviewRequest(RequestModel):
    """A verdict on a finding; a later one on the same finding takes its place."""

    finding: ReviewedFinding
    date: Text = Field(description="Of the finding, as the liver safety report writes it.")
    verdict: Verdict
    cause: Cause | None = Field(None, description="What the reviewer holds to be the cause.")


@router.post(
    "", status_code=201, summary="Record a reviewer's verdict",
    dependencies=[require_role("writer")],
)  # fmt: skip
async def post(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: ReviewRequest,
) -> Response:
    """Record a verdict on a certain or possible finding; durable before the answer."""

    def save(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        patient_id = lock_patient_row(connection, found, patient)
        grader = service.graders.for_rules(found.rules)
        known = possible_findings(connection, found, patient_id, grader)
        if (asked.finding, asked.date) not in known:
            text = "expected the date of a finding of this kind in the patient's liver safety"
            fault = FieldFault(("date",), "no-such-finding", text)
            raise RequestError("the patient has no such finding", [fault])
        row = record_review(
            connection, patient_id, asked.finding, asked.date, asked.verdict, asked.cause
        )
        return {"study": study, "patient": patient, **_answer(row, known)}

    return await service.store(save)


@router.get(
    "",
    summary="A patient's reviews with their history",
    dependencies=[require_role("reader"), as_of()],
)
async def reviews(service: TheService, study: StudyName, patient: PatientName) -> dict[str, Any]:
    """Every verdict in the order of recording; `outdated` where the finding is no longer there."""

    def query(connection: Connection) -> list[dict[str, Any]]:
        found = find_study(connection, study)
        patient_id = find_patient(connection, found, patient)
        grader = service.graders.for_rules(found.rules)
        known = possible_findings(connection, found, patient_id, grader)
        return [_answer(row, known) for row in list_reviews(connection, patient_id)]

    return {"reviews": await service.read(query)}


def _answer(row: Row[Any], known: set[tuple[str, str | None]]) -> dict[str, Any]:
    outdated = (row.finding, row.date) not in known
    return {
        "finding": row.finding, "date": row.date, **review_document(row), "outdated": outdated,
    }  # fmt: skip
