"""A patient's current rows (results, grades, courses, follow-up), and how they are read back."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, select

from toxgrade.errors import TooLarge
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.fields import FIELDS, GradeRow
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import read_start
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.newest import is_current, newest_first
from toxgrade.server.records.db.tables import follow_ups, grades, results, treatments
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.stored_results import Version, newest_results, read_version

VitalStatus = Literal["alive", "dead"]

# Statements are built once: building them each time took a third of the time of storing a panel.
_PATIENT = bindparam("of_patient", type_=Integer)
_CURRENT_RESULTS = newest_results(results.c.patient_id == _PATIENT)

_GRADES = select(
    *((results if f.column.table == "results" else grades).c[f.name] for f in FIELDS)
).join(results, grades.c.result_id == results.c.id)
_ALL_GRADES = _GRADES.where(grades.c.patient_id == _PATIENT)


def grades_now(condition: ColumnElement[bool]) -> Select[Any]:
    """Return a query for the grades of the chosen patients that no other grade supersedes."""
    return _GRADES.where(condition, is_current(grades))


_CURRENT_GRADES = grades_now(grades.c.patient_id == _PATIENT)

_COURSES = (
    select(treatments.c.courses)
    .where(treatments.c.patient_id == _PATIENT)
    .order_by(newest_first(treatments))
    .limit(1)
)


def current_results(
    connection: Connection, patient_id: int, is_wanted: Callable[[str], bool] = lambda _: True
) -> list[Version]:
    """Return the newest version of each result of a patient, in the order of storing.

    ``is_wanted`` says it of the analyte, as it was sent.
    """
    rows = connection.execute(_CURRENT_RESULTS, {"of_patient": patient_id})
    return [read_version(row) for row in rows if is_wanted(row.analyte)]


_in_order: Callable[..., GradeRow] = GradeRow


_FLAGS = [field.name for field in FIELDS].index("flags")


def read_grade(row: Sequence[Any]) -> GradeRow:
    """Return a grade that one of these queries has found."""
    grade = _in_order(*row)
    grade.flags = tuple(row[_FLAGS].split())
    return grade


MOST_READ = 100_000
"""Results of one patient that an answer may be computed from: about 50 us and 2 kB for each."""


def refuse_many(connection: Connection, patient_id: int, most: int) -> None:
    """Refuse to read all results of a patient at once if more than ``most`` are stored.

    Raises:
        TooLarge: there are more, each version counted.
    """
    own = select(results.c.id).where(results.c.patient_id == patient_id)
    if connection.scalar(own.offset(most).limit(1)) is not None:
        text = f"the patient has more than {most:,} results, too many for one answer"
        raise TooLarge(f"{text}; read the grades page by page: …/patients/{{patient}}/grades")


def current_grades(patient_id: int) -> Select[Any]:
    """Return a query for the grades of a patient that no other grade supersedes, with results."""
    return _CURRENT_GRADES.params(of_patient=patient_id)


def all_grades(patient_id: int) -> Select[Any]:
    """Return a query for every grade that a patient ever had, with the result that was graded."""
    return _ALL_GRADES.params(of_patient=patient_id)


def current_courses(connection: Connection, patient_id: int) -> tuple[Course, ...]:
    """Return the patient's courses of radiotherapy as last recorded; empty if there are none."""
    document = connection.scalar(_COURSES, {"of_patient": patient_id})
    return read_courses(document or "[]")


class _StoredCourse(msgspec.Struct):
    """A course as ``courses_document`` writes it; version 0.1 knew no dose."""

    start: str | None
    end: date | None
    ongoing: bool
    dose_gy: Decimal | None = None
    fractions: int | None = None


_read_courses = msgspec.json.Decoder(list[_StoredCourse]).decode


def read_courses(document: str) -> tuple[Course, ...]:
    """Return the courses of a JSON document that ``courses_document`` wrote."""
    found = []
    for course in _read_courses(document):
        start, time = read_start(course.start) if course.start else (None, None)
        given = (course.end, course.ongoing, course.dose_gy, course.fractions)
        found.append(Course(start, *given, time))
    return tuple(found)


def courses_document(courses: Sequence[Course]) -> str:
    """Return courses as the JSON that is stored; ``read_courses`` reads it."""
    return json.dumps(
        [
            {
                "start": course.start_text,
                "end": course.end.isoformat() if course.end else None,
                "ongoing": course.ongoing,
                "dose_gy": to_plain_text(course.dose_gy),
                "fractions": course.fractions,
            }
            for course in courses
        ]
    )


def results_until_death(connection: Connection, patient_id: int) -> list[LabResult]:
    """Return the newest version of each result of a patient that is not dated after the death."""
    died = current_follow_up(connection, patient_id).died
    found = [version.result for version in current_results(connection, patient_id)]
    return [result for result in found if not is_after_death(result, died)]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The last contact: the day last seen alive, or the day of death; None where unknown."""

    last_contact: date | None = None
    vital_status: VitalStatus | None = None
    cause: str | None = None

    @property
    def died(self) -> date | None:
        """The day of death; None if the patient is alive or the day is unknown."""
        return self.last_contact if self.vital_status == "dead" else None


def current_follow_up(connection: Connection, patient_id: int) -> FollowUp:
    """Return the follow-up as last recorded."""
    row = connection.execute(
        select(follow_ups.c.last_contact, follow_ups.c.vital_status, follow_ups.c.cause)
        .where(follow_ups.c.patient_id == patient_id)
        .order_by(newest_first(follow_ups))
        .limit(1)
    ).first()
    return FollowUp(*row) if row else FollowUp()


def save_follow_up(
    transaction: Transaction, patient_id: int, follow_up: FollowUp, before: FollowUp
) -> None:
    """Record a follow-up unless it equals the one from before."""
    if follow_up != before:
        owner = {"patient_id": patient_id, "recorded_at": transaction.runtime.now()}
        append(transaction, follow_ups, [asdict(follow_up) | owner])
