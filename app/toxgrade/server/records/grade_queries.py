"""Queries for a patient's grades: page by page, summarised by term, and one grade's history."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, or_, select

from toxgrade import __version__
from toxgrade.errors import FieldFault, NotFound, RequestError
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.result import Course
from toxgrade.grading.summary import TermSummary
from toxgrade.server.records.audit_log import parse_ids
from toxgrade.server.records.current_state import (
    all_grades,
    current_courses,
    current_grades,
    read_grade,
)
from toxgrade.server.records.db.service_tables import audit
from toxgrade.server.records.db.tables import grades, results
from toxgrade.server.records.kept_summary import KeptSummary, read_kept
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study, find_study


@dataclass(frozen=True, slots=True)
class GradeFilter:
    """A choice among a patient's grades; None or False: no restriction beyond the current ones.

    ``min_grade`` compares ``at_least``: an undecided result counts with the grade that is certain.
    """

    term: str | None = None
    phase: str | None = None
    min_grade: int | None = None
    include_superseded: bool = False


def list_grades(
    connection: Connection,
    study_name: str,
    patient: str,
    chosen: GradeFilter,
    limit: int,
    cursor: str | None,
) -> tuple[list[GradeRow], str | None]:
    """Return up to ``limit`` grades by date (undated first), then id, and the next page's cursor.

    Raises:
        NotFound: there is no such study or patient.
        RequestError: ``cursor`` is not one that this service gave.
    """
    patient_id = find_patient(connection, find_study(connection, study_name), patient)
    query = all_grades(patient_id) if chosen.include_superseded else current_grades(patient_id)
    if chosen.term is not None:
        query = query.where(grades.c.term == chosen.term)
    if chosen.phase is not None:
        query = query.where(grades.c.phase == chosen.phase)
    if chosen.min_grade is not None:
        query = query.where(grades.c.at_least >= chosen.min_grade)
    if cursor is not None:
        query = _after(query, *_read_cursor(cursor))
    ordered = query.order_by(grades.c.collected_on.asc().nulls_first(), grades.c.id)
    rows = [read_grade(row) for row in connection.execute(ordered.limit(limit + 1))]
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _write_cursor(rows[limit - 1])


@dataclass(frozen=True, slots=True)
class PatientToxicity:
    """A patient's worst grades by term over the first course, and what they leave out.

    ``phase_unknown``: the number of graded results of unknown phase by reason (``Unplaced``), which
    count as possible. ``other_courses`` and ``after_death``: the numbers of results that lie after
    the start of a later course, or after the death, and do not count.
    """

    courses: tuple[Course, ...]
    summary: list[TermSummary]
    phase_unknown: dict[str, int]
    other_courses: int
    after_death: int


def patient_toxicity(connection: Connection, study_name: str, patient: str) -> PatientToxicity:
    """Return a patient's worst grades.

    Raises:
        NotFound: there is no such study or patient.
    """
    study = find_study(connection, study_name)
    patient_id = find_patient(connection, study, patient)
    courses, window = current_courses(connection, patient_id), study.rules.window
    kept = read_kept(connection, [patient_id]).get(patient_id)
    summary = kept.summary if kept else None
    if summary is None or summary.window != window:
        summary = KeptSummary(__version__, window)
        query = current_grades(patient_id)
        summary.add((read_grade(row) for row in connection.execute(query)), courses)
    return PatientToxicity(
        courses,
        summary.by_term(),
        dict(sorted(summary.phase_unknown.items())),
        summary.other_courses,
        summary.after_death,
    )


def _after(query: Select[Any], day: date | None, row_id: int) -> Select[Any]:
    """Restrict a query to the grades that follow this one in the order of the list."""
    same_day = and_(grades.c.collected_on.is_not_distinct_from(day), grades.c.id > row_id)
    if day is None:
        return query.where(or_(same_day, grades.c.collected_on.is_not(None)))
    return query.where(or_(same_day, grades.c.collected_on > day))


def _write_cursor(row: GradeRow) -> str:
    day = row.collected_on
    position = json.dumps([day.isoformat() if day else None, row.id])
    return base64.urlsafe_b64encode(position.encode()).decode()


def _read_cursor(cursor: str) -> tuple[date | None, int]:
    try:
        day, row_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not 0 <= int(row_id) < 2**63:
            raise ValueError("no row has this number")
        return date.fromisoformat(day) if day else None, int(row_id)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        fault = FieldFault(
            ("query", "cursor"), "cursor", "expected the `next` of an earlier answer"
        )
        raise RequestError("the cursor is not one of ours", [fault]) from None


class AuditEntry(NamedTuple):
    """Which entry of the audit covers a grade, when it was written, by whom and why."""

    seq: int
    at: str | None
    actor: str | None
    reason: str | None


def grade_history(
    connection: Connection, study_name: str, patient: str, grade: int
) -> list[tuple[GradeRow, AuditEntry | None]]:
    """Return all grades of the same result and term, oldest first, each with its audit entry.

    That is None where the grade is older than the audit.

    Raises:
        NotFound: there is no such study, patient or grade.
    """
    study = find_study(connection, study_name)
    patient_id = find_patient(connection, study, patient)
    row = connection.execute(all_grades(patient_id).where(grades.c.id == grade)).first()
    if row is None:
        raise NotFound("the patient has no such grade")
    same = all_grades(patient_id).where(
        results.c.identity == row.identity, grades.c.term.is_not_distinct_from(row.term)
    )
    found = [read_grade(row) for row in connection.execute(same.order_by(grades.c.id))]
    ids = {row.id for row in found if row.id is not None}
    entries = dict(_audit_entries(connection, study, patient, ids))
    return [(row, entries.get(row.id or 0)) for row in found]


def _audit_entries(
    connection: Connection, study: Study, patient: str, ids: set[int]
) -> Iterator[tuple[int, AuditEntry]]:
    """Yield each grade's id with the audit entry that covers it, of one patient or of many."""
    of_patient = or_(audit.c.patient == patient, audit.c.patient.is_(None))
    writes_grades = audit.c.entry.like('%"grades":"%')
    query = select(audit.c.entry).where(audit.c.study_id == study.id, of_patient, writes_grades)
    streamed = query.order_by(audit.c.seq).execution_options(yield_per=500)
    for text in connection.scalars(streamed):
        entry = json.loads(text)
        told = AuditEntry(*(entry.get(name) for name in AuditEntry._fields))
        for grade_id in ids.intersection(parse_ids(entry["rows"]["grades"])):
            yield grade_id, told
