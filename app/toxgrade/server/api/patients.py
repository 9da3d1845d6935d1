"""Routes of a patient: courses of radiotherapy, follow-up, grades and worst grades."""

from datetime import date
from typing import Annotated, Self

from fastapi import APIRouter, Body, Query
from msgspec.structs import astuple, replace
from pydantic import AfterValidator, Field, PlainValidator, Strict, model_validator
from sqlalchemy import Connection

from toxgrade.cohort.described import meaning
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.parse import ACCEPTED_LIMIT, FIRST_YEAR, LAST_YEAR, YEARS, read_limit
from toxgrade.grading.phase import MOST_COURSES, course_faults
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Course, Phase, Reported
from toxgrade.server.api import responses
from toxgrade.server.api.fields import (
    DIGITS,
    Day,
    PatientName,
    RequestModel,
    StudyName,
    Text,
    json_schema,
    number_validator,
    pattern,
    refuse,
)
from toxgrade.server.api.patient_answers import (
    CourseAnswer,
    PatientAnswer,
    ToxicityAnswer,
    course_answer,
    patient_answer,
)
from toxgrade.server.api.requests import AS_WHOLE, Radiotherapy
from toxgrade.server.http.as_of import as_of
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.current_state import MOST_READ, FollowUp, VitalStatus, refuse_many
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_queries import GradeFilter, list_grades, patient_toxicity
from toxgrade.server.records.patient_record import (
    PatientRecord,
    PersonFields,
    current_record,
    put_patient,
)
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.preconditions import tag
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=JsonRoute
)


def _dose(dose: Reported | None) -> Reported | None:
    if dose is not None and not 0 < dose.number <= 500:
        raise refuse("dose-out-of-range", "expected a total dose in Gy above 0 and at most 500")
    return dose


Dose = Annotated[
    Reported | None,
    PlainValidator(number_validator(read_limit, "unreadable-dose", ACCEPTED_LIMIT)),
    AfterValidator(_dose),
    json_schema("The total dose in Gy, above 0 and at most 500.", pattern(DIGITS), "21", 21,
            exclusiveMinimum=0, maximum=500),
]  # fmt: skip


class CourseRequest(Radiotherapy):
    """A course with its dose."""

    dose_gy: Dose = None
    fractions: Annotated[int, Strict(), Field(ge=1, le=100), AS_WHOLE] | None = Field(
        None, description=meaning(CourseAnswer, "fractions")
    )

    def course(self) -> Course:
        dose = self.dose_gy.number if self.dose_gy else None
        return replace(super().course(), dose_gy=dose, fractions=self.fractions)


class PatientRequest(RequestModel):
    """What is left out stays as it is; ``courses`` are listed by start, empty clears them."""

    courses: Annotated[list[CourseRequest], Field(max_length=MOST_COURSES)] | None = Field(
        None, description=meaning(PatientAnswer, "courses")
    )
    last_contact: Day = Field(None, description=meaning(PatientAnswer, "last_contact"))
    vital_status: VitalStatus | None = Field(
        None, description=meaning(PatientAnswer, "vital_status")
    )
    cause: Text | None = Field(None, description=meaning(PatientAnswer, "cause"))
    sex: Sex | None = Field(None, description="Decides reference ranges of the study; null clears.")
    birth_year: Annotated[int, Strict(), Field(ge=1880, le=LAST_YEAR), AS_WHOLE] | None = Field(
        None, description="As `sex` does; null clears."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.vital_status is not None and self.last_contact is None:
            raise refuse("missing-last-contact", "expected last_contact with vital_status")
        if self.cause is not None and self.vital_status != "dead":
            raise refuse("cause-of-no-death", "expected a cause only with vital_status dead")
        return self

    def record(self) -> PatientRecord:
        """Return what to record.

        Raises:
            RequestError: the courses contradict each other, or the last contact is out of range.
        """
        courses = None if self.courses is None else tuple(c.course() for c in self.courses)
        faults = [
            FieldFault(("courses", *fault.loc), fault.code, fault.message)
            for fault in course_faults(courses or ())
        ]
        faults += _out_of_range(self.last_contact)
        if faults:
            raise RequestError("the patient's dates cannot be accepted", faults)
        sent = {"last_contact", "vital_status", "cause"} & self.model_fields_set
        follow_up = FollowUp(self.last_contact, self.vital_status, self.cause) if sent else None
        return PatientRecord(courses, follow_up, self._person())

    def _person(self) -> PersonFields:
        person = PersonFields()
        if "sex" in self.model_fields_set:
            person["sex"] = self.sex
        if "birth_year" in self.model_fields_set:
            person["birth_year"] = self.birth_year
        return person


def _out_of_range(day: date | None) -> list[FieldFault]:
    if day is None or FIRST_YEAR <= day.year <= LAST_YEAR:
        return []
    text = f"expected a date in the {YEARS}"
    return [FieldFault(("last_contact",), "date-out-of-range", text)]


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
