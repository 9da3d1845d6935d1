"""Routes of reviewers' verdicts on a patient's liver safety findings."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, Row

from toxgrade.cohort.described import answer, described, meaning
from toxgrade.cohort.liver_entries import Cause, Verdict
from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.api.fields import PatientName, RequestModel, StudyName, Text
from toxgrade.server.api.patient_answers import OfPatient
from toxgrade.server.http.as_of import as_of
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.liver_reviews import ReviewedFinding, list_reviews, record_review
from toxgrade.server.records.patients import find_patient, lock_patient_row
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.liver_safety import possible_findings

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}/liver-safety/reviews",
    tags=["patients"],
    route_class=JsonRoute,
)


@answer
class ReviewAnswer:
    """A reviewer's verdict."""

    finding: ReviewedFinding = described("What was reviewed.", "hys_law")
    date: str = described("Of the finding, as the liver safety report writes it.", "2011-04-23")
    id: int = described("The number of the verdict.", 3)
    verdict: Verdict = described("Whether the finding is one.", "rejected")
    cause: Cause | None = described("As the reviewer sees it; null: not said.", "viral-hepatitis")
    recorded_at: str = described("When it was recorded.", "2026-11-30T09:15:00+00:00")
    outdated: bool = described("The finding is no longer there: results have changed.", False)


class ReviewRequest(RequestModel):
    """A verdict on a finding; a later one on the same finding takes its place."""

    finding: ReviewedFinding = Field(description=meaning(ReviewAnswer, "finding"))
    date: Text = Field(description=meaning(ReviewAnswer, "date"))
    verdict: Verdict = Field(description=meaning(ReviewAnswer, "verdict"))
    cause: Cause | None = Field(None, description=meaning(ReviewAnswer, "cause"))


@answer
class StoredReviewAnswer(ReviewAnswer, OfPatient):
    """The verdict as it was recorded."""


@answer
class ReviewList:
    """A patient's reviews."""

    reviews: Sequence[ReviewAnswer] = described("Every verdict, in the order of recording.")


@router.post(
    "", status_code=201, response_model=StoredReviewAnswer,
    summary="Record a reviewer's verdict", dependencies=[require_role("writer")],
)  # fmt: skip
async def post_review(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: ReviewRequest,
) -> Response:
    """Record a verdict on a certain or possible finding; durable before the answer."""

    def save(transaction: Transaction) -> StoredReviewAnswer:
        found = find_study(transaction.read(), study)
        patient_id = lock_patient_row(transaction, found, patient)
        grader = service.graders.for_rules(found.rules)
        known = possible_findings(transaction.read(), found, patient_id, grader)
        if (asked.finding, asked.date) not in known:
            text = "expected the date of a finding of this kind in the patient's liver safety"
            fault = FieldFault(("date",), "no-such-finding", text)
            raise RequestError("the patient has no such finding", [fault])
        row = record_review(
            transaction, patient_id, asked.finding, asked.date, asked.verdict, asked.cause
        )
        return StoredReviewAnswer(study=study, patient=patient, **vars(_answer(row, known)))

    return await service.store(save)


@router.get(
    "",
    summary="A patient's reviews with their history",
    dependencies=[require_role("reader"), as_of()],
)
async def get_reviews(service: TheService, study: StudyName, patient: PatientName) -> ReviewList:
    """Every verdict in the order of recording; `outdated` where the finding is no longer there."""

    def query(connection: Connection) -> list[ReviewAnswer]:
        found = find_study(connection, study)
        patient_id = find_patient(connection, found, patient)
        grader = service.graders.for_rules(found.rules)
        known = possible_findings(connection, found, patient_id, grader)
        return [_answer(row, known) for row in list_reviews(connection, patient_id)]

    return ReviewList(await service.read(query))


def _answer(row: Row[Any], known: set[tuple[str, str | None]]) -> ReviewAnswer:
    return ReviewAnswer(
        finding=row.finding,
        date=row.date,
        id=row.id,
        verdict=row.verdict,
        cause=row.cause,
        recorded_at=row.recorded_at.isoformat(),
        outdated=(row.finding, row.date) not in known,
    )
