"""Storing what was pulled of a patient, and up to when that is, in one transaction."""

from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import Connection

from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders
from toxgrade.server.ehr.pull.patients import Pulled
from toxgrade.server.records.change import Submission
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.pull_marks import save_pull_mark
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import find_study, lock_study


@dataclass(frozen=True, slots=True)
class Kept:
    """How much was stored of patients; ``undated`` results, and those after death, were not."""

    results: int
    gradings: int
    undecided: int
    undated: int
    after_death: int

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.results:,} results, {self.gradings:,} gradings, {self.undecided:,} undecided;"
            f" not stored for want of a day: {self.undated:,},"
            f" dated after the recorded death: {self.after_death:,}"
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
    submission = Submission(
        study, patient, pulled.results, None, is_message=True, passes_over_after_death=True
    )
    stored = store(connection, submission, graders)
    late = len(stored.after_death)
    if pulled.mark and not late:  # Else all is read again: the day of death may be wrong.
        found = find_study(connection, study)
        save_pull_mark(connection, found, patient, source, pulled.mark)
    undecided = sum(grade["grade"] is None for grade in stored.grades)
    return Kept(len(pulled.results) - late, len(stored.grades), undecided, pulled.undated, late)


def _dates(course: Course) -> tuple[Any, ...]:
    return course.start, course.start_time, course.end, course.ongoing
