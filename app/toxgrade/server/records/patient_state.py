"""What is stored of patients now: read for one, or at once for all whose panels come together."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, MappingResult, bindparam, select

from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import grades_now, newest_results, read_courses
from toxgrade.server.records.db.tables import grades, patients, results, treatments
from toxgrade.server.records.db.unit_of_work import unit_of_work
from toxgrade.server.records.patients import lock_panels

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
class PatientState:
    """What is stored of a patient now: the courses of radiotherapy, the results by their columns,
    and the current grades.
    """

    courses: tuple[Course, ...] = ()
    results: Sequence[Mapping[str, Any]] = ()
    grades: Sequence[GradeRow] = ()


def load_patient_state(connection: Connection, patient_id: int) -> PatientState:
    """What is stored of a patient now, who is locked."""
    ahead: PatientState | None = unit_of_work(connection).seen.pop((patients, patient_id), None)
    return ahead or _read(connection, [patient_id])[patient_id]


def lock_and_load_patients(connection: Connection, study: str, names: Collection[str]) -> None:
    """Lock the patients of a group of panels and read what is stored of them, in few statements.

    What ``load_patient_state`` gives then, unless something was appended to the patient before.

    Raises:
        Conflict: one of them was erased just now.
    """
    if ids := lock_panels(connection, study, names):
        found = _read(connection, ids)
        unit_of_work(connection).seen.update({(patients, number): found[number] for number in ids})


def _read(connection: Connection, ids: Sequence[int]) -> dict[int, PatientState]:
    mine = {"of_patients": ids}
    # Of several courses documents of a patient the last one holds.
    courses = {row.patient_id: row.courses for row in connection.execute(_COURSES, mine)}
    stored, graded = (
        _by_patient(connection.execute(query, mine).mappings()) for query in (_RESULTS, _GRADES)
    )
    return {
        number: PatientState(
            read_courses(json.loads(courses.get(number, "[]"))), stored[number], graded[number]
        )
        for number in ids
    }


def _by_patient(rows: MappingResult) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        found[row["patient_id"]].append(dict(row))
    return found
