"""Recording a patient's courses and follow-up, and grading again what they change."""

from dataclasses import dataclass, field, replace
from typing import TypedDict

from sqlalchemy import Connection, func, select

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders
from toxgrade.server.records.current_state import (
    FollowUp,
    current_courses,
    current_follow_up,
    current_grades,
    save_follow_up,
)
from toxgrade.server.records.patients import lock_patient, save_courses
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import hold_study
from toxgrade.server.records.study_ranges import current_person, save_person


class PersonFields(TypedDict, total=False):
    """Those fields of ``Person`` that were sent; what is not there stays as it is."""

    sex: Sex | None
    birth_year: int | None


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What is recorded of a patient beside results; as sent, None leaves what there is."""

    courses: tuple[Course, ...] | None
    follow_up: FollowUp | None
    person: PersonFields = field(default_factory=PersonFields)


def put_patient(
    connection: Connection, study_name: str, name: str, sent: PatientRecord, graders: Graders
) -> PatientRecord:
    """Record courses, follow-up, sex and birth year; what these change is graded again.

    Raises:
        NotFound: no such study.
        RequestError: the name is not a pseudonym, or the death is before the last result.
    """
    study = hold_study(connection, study_name)
    patient_id = lock_patient(connection, study, name).id
    before = current_courses(connection, patient_id)
    courses = save_courses(connection, patient_id, sent.courses, before)
    person = current_person(connection, patient_id)
    now = replace(person, **sent.person)
    save_person(connection, patient_id, now)
    if courses != before or now != person:
        regrade(connection, patient_id, graders.under(study.rules), study)
    if sent.follow_up is not None:
        _refuse_early_death(connection, patient_id, sent.follow_up)
        save_follow_up(connection, patient_id, sent.follow_up)
    recorded = PersonFields(sex=now.sex, birth_year=now.birth_year)
    return PatientRecord(courses, current_follow_up(connection, patient_id), recorded)


def current_record(connection: Connection, patient_id: int) -> PatientRecord:
    """What is recorded of a patient now."""
    person = current_person(connection, patient_id)
    return PatientRecord(
        current_courses(connection, patient_id),
        current_follow_up(connection, patient_id),
        {"sex": person.sex, "birth_year": person.birth_year},
    )


def _refuse_early_death(connection: Connection, patient_id: int, follow_up: FollowUp) -> None:
    graded = current_grades(patient_id).subquery()
    active = graded.c.reason.is_distinct_from("not-final")
    last = connection.scalar(select(func.max(graded.c.collected_on)).where(active))
    if follow_up.died and last and follow_up.died < last:
        text = "expected a day of death on or after the patient's last result"
        fault = FieldFault(("last_contact",), "death-before-result", text)
        raise RequestError("the death is before the patient's last result", [fault])
