"""What is stored of patients now: read for one, or at once for all whose panels come together."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, select

from app.grading.result import Course
from app.records.history import (
    current_courses,
    current_grades,
    current_results,
    grades_now,
    newest_results,
    read_courses,
)
from app.records.patients import lock_panels
from app.records.tables import grades, patients, results, treatments
from app.records.unit_of_work import unit_of

_PATIENTS = bindparam("of_patients", type_=Integer, expanding=True)
_RESULTS = newest_results(results.c.patient_id.in_(_PATIENTS))
_GRADES = grades_now(grades.c.patient_id.in_(_PATIENTS))
_COURSES = (
    select(treatments.c.patient_id, treatments.c.courses)
    .where(treatments.c.patient_id.in_(_PATIENTS))
    .order_by(treatments.c.id)
)

GradeRow = dict[str, Any]
"""A stored grade with the result it grades: the columns of both tables by name."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a patient now: the courses of radiotherapy, the results by their columns,
    and the current grades.
    """

    courses: tuple[Course, ...] = ()
    results: Sequence[Mapping[str, Any]] = ()
    grades: Sequence[GradeRow] = ()


def read_known(connection: Connection, patient_id: int) -> Known:
    """What is stored of a patient now, who is locked."""
    ahead: Known | None = unit_of(connection).seen.pop((patients, patient_id), None)
    if ahead is not None:
        return ahead
    graded = connection.execute(current_grades(patient_id)).mappings()
    return Known(
        current_courses(connection, patient_id),
        current_results(connection, patient_id),
        [dict(row) for row in graded],
    )


def hold_panels(connection: Connection, study: str, names: Collection[str]) -> None:
    """Lock the patients of a group of panels and read what is stored of them, in few statements.

    What ``read_known`` gives then, unless something was appended to the patient before.

    Raises:
        Conflict: one of them was erased just now.
    """
    known = lock_panels(connection, study, names)
    if not known:
        return
    mine = {"of_patients": known}
    courses = {row.patient_id: row.courses for row in connection.execute(_COURSES, mine)}
    stored: dict[int, list[Mapping[str, Any]]] = {number: [] for number in known}
    graded: dict[int, list[GradeRow]] = {number: [] for number in known}
    for row in connection.execute(_RESULTS, mine).mappings():
        stored[row["patient_id"]].append(dict(row))
    for row in connection.execute(_GRADES, mine).mappings():
        graded[row["patient_id"]].append(dict(row))
    seen = unit_of(connection).seen
    for number in known:
        last = read_courses(json.loads(courses.get(number, "[]")))  # of several the last one holds
        seen[patients, number] = Known(last, stored[number], graded[number])
