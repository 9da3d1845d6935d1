"""Storing what was pulled of a patient, and up to when that is, in one transaction."""

from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import Connection

from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders
from toxgrade.server.ehr.pull.patients import Pulled
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.pull_marks import save_pull_mark
from toxgrade.server.records.store import Submission, store
from toxgrade.server.records.studies import find_study, lock_study


@dataclass(frozen=True, slots=True)
class Kept:
    """How much was stored of patients; ``undated`` results were not."""

    results: int
    gradings: int
    undecided: int
    undated: int

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.results:,} results, {self.gradings:,} gradings, {self.undecided:,} undecided;"
            f" not stored for want of a day: {self.undated:,}"
        )


def keep(
    connection: Connection, study: str, patient: str, source: str, pulled: Pulled, graders: Graders
) -> Kept:
    """Store what was pulled under the study's pseudonym, and up to when that is from this source.

    Raises:
        RequestError: a name or a result cannot be accepted, or the patient was erased.
    """
    if pulled.courses:
        patient_id = lock_patient(connection, lock_study(connection, study), patient).id
        recorded = {_dates(course): course for course in current_courses(connection, patient_id)}
        # A recorded course keeps its dose, because Procedures have none.
        courses = tuple(recorded.get(_dates(course), course) for course in pulled.courses)
        put_patient(connection, study, patient, PatientRecord(courses, None), graders)
    submission = Submission(study, patient, pulled.results, None, is_message=True)
    stored = store(connection, submission, graders)
    if pulled.mark:
        found = find_study(connection, study)
        save_pull_mark(connection, found, patient, source, pulled.mark)
    undecided = sum(grade["grade"] is None for grade in stored.grades)
    return Kept(len(pulled.results), len(stored.grades), undecided, pulled.undated)


def _dates(course: Course) -> tuple[Any, ...]:
    return course.start, course.start_time, course.end, course.ongoing
