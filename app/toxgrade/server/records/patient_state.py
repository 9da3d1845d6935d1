"""The current state of one patient, or of all patients of a group of panels at once."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, MappingResult, bindparam, select

from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.records.current_state import (
    grades_now,
    newest_results,
    read_courses,
    stored_result,
)
from toxgrade.server.records.db.tables import grades, patients, results, treatments
from toxgrade.server.records.db.unit_of_work import unit_of_work
from toxgrade.server.records.identity import identity
from toxgrade.server.records.patients import lock_panels
from toxgrade.server.records.version_index import Version

_PATIENTS = bindparam("of_patients", type_=Integer, expanding=True)
_RESULTS = newest_results(results.c.patient_id.in_(_PATIENTS))
_GRADES = grades_now(grades.c.patient_id.in_(_PATIENTS))
_COURSES = (
    select(treatments.c.patient_id, treatments.c.courses)
    .where(treatments.c.patient_id.in_(_PATIENTS))
    .order_by(treatments.c.id)
)

_VERSIONS = select(results).where(
    results.c.patient_id == bindparam("of_patient"),
    results.c.identity.in_(bindparam("of_identities", expanding=True)),
)

_DIGITS = 15  # Longer numbers are read to so many since 0.3.

GradeRow = dict[str, Any]
"""A stored grade with the result that it grades: the columns of both tables by name."""


@dataclass(frozen=True, slots=True)
class PatientState:
    """What is stored of a patient now: courses of radiotherapy, newest results, current grades."""

    courses: tuple[Course, ...] = ()
    results: Sequence[Mapping[str, Any]] = ()
    grades: Sequence[GradeRow] = ()


def load_patient_state(connection: Connection, patient_id: int) -> PatientState:
    """Return the current state of a patient, who must be locked."""
    cached: PatientState | None = unit_of_work(connection).cache.pop((patients, patient_id), None)
    return cached or _load(connection, [patient_id])[patient_id]


def lock_and_load_patients(connection: Connection, study: str, names: Collection[str]) -> None:
    """Lock the patients of a group of panels and load their current state, in few statements.

    ``load_patient_state`` then returns that state, unless a row was appended to the patient since.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    if ids := lock_panels(connection, study, names):
        found = _load(connection, ids)
        unit_of_work(connection).cache.update({(patients, n): found[n] for n in ids})


def _load(connection: Connection, ids: Sequence[int]) -> dict[int, PatientState]:
    """Return the current state of patients by row id, with one query for each table."""
    chosen = {"of_patients": ids}
    # A patient's later rows replace earlier ones, so the newest courses count.
    courses = {row.patient_id: row.courses for row in connection.execute(_COURSES, chosen)}
    stored, graded = (
        _by_patient(connection.execute(query, chosen).mappings()) for query in (_RESULTS, _GRADES)
    )
    return {
        n: PatientState(read_courses(json.loads(courses.get(n, "[]"))), stored[n], graded[n])
        for n in ids
    }


def _by_patient(rows: MappingResult) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        found[row["patient_id"]].append(dict(row))
    return found


def _has_many_digits(row: Mapping[str, Any]) -> bool:
    """Return whether a number is so long that its identity was once that of all its digits."""
    return any(len(row[name] or "") > _DIGITS for name in ("value", "lln", "uln"))


def load_versions(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    sent: Sequence[LabResult],
    grader: TermGrader,
) -> list[Version]:
    """Return every version of the stored results that one of ``sent`` may belong to, by version.

    ``rows`` are the patient's current results. Older versions are read only of results that have
    any and that share a number, or without one the identity, with a result that was sent.
    """
    numbers = {(result.source_id or "").strip() for result in sent} - {""}
    identities = {identity(result, grader.names) for result in sent}
    concerned = [
        row
        for row in rows
        if (row["source_id"] or "").strip() in numbers
        or row["identity"] in identities
        or _has_many_digits(row)
    ]
    corrected = [row["identity"] for row in concerned if row["version"] > 1]
    older: list[Mapping[str, Any]] = []
    if corrected:
        chosen = {"of_patient": concerned[0]["patient_id"], "of_identities": corrected}
        older = [dict(row) for row in connection.execute(_VERSIONS, chosen).mappings()]
    by_version = {(row["identity"], row["version"]): row for row in (*older, *concerned)}
    ordered = sorted(by_version.values(), key=lambda row: row["id"])
    return [Version(row["identity"], row["version"], stored_result(row)) for row in ordered]
