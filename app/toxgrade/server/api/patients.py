"""Routes of a patient: courses of radiotherapy, follow-up, grades and worst grades."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from msgspec.structs import astuple
from sqlalchemy import Connection

from toxgrade.grading.result import Phase
from toxgrade.server.api import responses
from toxgrade.server.api.fields import (
    PatientName,
    StudyName,
    Text,
)
from toxgrade.server.api.patient_answers import (
    PatientAnswer,
    ToxicityAnswer,
    course_answer,
    patient_answer,
)
from toxgrade.server.api.patient_request import PatientRequest
from toxgrade.server.http.as_of import as_of
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.current_state import MOST_READ, refuse_many
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_queries import GradeFilter, list_grades, patient_toxicity
from toxgrade.server.records.patient_record import (
    PatientRecord,
    current_record,
    put_patient,
)
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.preconditions import tag
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=JsonRoute
)


_EXAMPLE = {
    "courses": [{"start": "2011-01-24", "end": "2011-03-09", "dose_gy": "21", "fractions": 7}],
    "last_contact": "2012-05-02",
    "vital_status": "alive",
}


@router.put(
    "",
    name="put_patient",
    response_model=PatientAnswer,
    summary="Record courses of radiotherapy and the last contact",
    dependencies=[require_role("writer")],
)
async def put(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[PatientRequest, Body(openapi_examples={"patient": {"value": _EXAMPLE}})],
) -> JsonAnswer:
    """Record what is sent; other courses grade the patient's results again, durable before this
    answers. A second course opens its own baseline and windows.
    """
    sent = asked.record()

    def save(transaction: Transaction) -> tuple[PatientRecord, str]:
        now = put_patient(transaction, study, patient, sent, service.graders)
        return now, _tag(transaction.read(), study, patient)

    now, newest = await service.write(save)
    return JsonAnswer(patient_answer(study, patient, now), headers={"ETag": newest})


@router.get(
    "",
    response_model=PatientAnswer,
    summary="A patient's courses and follow-up",
    dependencies=[require_role("reader")],
)
async def get_patient(service: TheService, study: StudyName, patient: PatientName) -> JsonAnswer:
    """What is recorded beside results; the ETag is of all there is of the patient."""

    def query(connection: Connection) -> tuple[PatientRecord, str]:
        found = find_study(connection, study)
        now = current_record(connection, find_patient(connection, found, patient))
        return now, _tag(connection, study, patient)

    now, newest = await service.read(query)
    return JsonAnswer(patient_answer(study, patient, now), headers={"ETag": newest})


def _tag(connection: Connection, study: str, patient: str) -> str:
    found = find_study(connection, study)
    return tag(connection, found, find_patient(connection, found, patient))


@router.get(
    "/grades",
    response_model=responses.GradePage,
    summary="A patient's grades",
    dependencies=[require_role("reader"), as_of()],
)
async def get_grades(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    term: Text | None = None,
    phase: Phase | None = None,
    min_grade: Annotated[int | None, Query(ge=0, le=5)] = None,
    include_superseded: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[
        str | None, Query(max_length=200, description="The `next` of an earlier answer.")
    ] = None,
) -> JsonAnswer:
    """By date, then id, page by page; ``min_grade`` compares ``at_least``."""
    chosen = GradeFilter(term, phase, min_grade, include_superseded)
    rows, following = await service.read(
        lambda c: list_grades(c, study, patient, chosen, limit, cursor)
    )
    return JsonAnswer({"grades": [responses.stored(row) for row in rows], "next": following})


@router.get(
    "/toxicity",
    summary="A patient's worst grades",
    dependencies=[require_role("reader"), as_of()],
)
async def get_toxicity(
    service: TheService, study: StudyName, patient: PatientName
) -> ToxicityAnswer:
    """Per term the baseline, the worst acute and the worst late grade; and liver safety."""

    def query(connection: Connection) -> ToxicityAnswer:
        found = find_study(connection, study)
        grader = service.graders.for_rules(found.rules)
        refuse_many(connection, find_patient(connection, found, patient), MOST_READ)
        toxicity = patient_toxicity(connection, study, patient)
        courses, unknown = toxicity.courses, toxicity.phase_unknown
        return ToxicityAnswer(
            patient=patient,
            radiotherapy=course_answer(courses[0]) if courses else None,
            summary=[responses.SummaryAnswer(*astuple(term)) for term in toxicity.summary],
            phase_unknown={"n": sum(unknown.values())} | unknown,
            other_courses=toxicity.other_courses,
            after_death=toxicity.after_death,
            liver_safety=service.liver_reports.report(connection, found, patient, grader),
        )

    return await service.read(query)
