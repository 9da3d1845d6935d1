"""The history of one grade: every version, what it was made from, and who brought it about."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from toxgrade.errors import NotFound
from toxgrade.records.audit import numbers
from toxgrade.records.audit_tables import audit
from toxgrade.records.history import all_grades
from toxgrade.records.patients import find_patient
from toxgrade.records.studies import Study, find_study
from toxgrade.records.tables import grades, results


def grade_history(
    connection: Connection, study_name: str, patient: str, grade: int
) -> list[dict[str, Any]]:
    """All grades of the same result and term, the oldest first, each with its ``audit`` entry.

    The entry is None where the grade is older than the audit.

    Raises:
        NotFound: no such study, patient or grade.
    """
    study = find_study(connection, study_name)
    patient_id = find_patient(connection, study, patient)
    one = connection.execute(all_grades(patient_id).where(grades.c.id == grade)).mappings().first()
    if one is None:
        raise NotFound("the patient has no such grade")
    same = all_grades(patient_id).where(
        results.c.identity == one["identity"], grades.c.term.is_not_distinct_from(one["term"])
    )
    found = [dict(row) for row in connection.execute(same.order_by(grades.c.id)).mappings()]
    told = dict(_told(connection, study, patient, [row["id"] for row in found]))
    return [row | {"audit": told.get(row["id"])} for row in found]


def _told(
    connection: Connection, study: Study, patient: str, ids: Sequence[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The entries that cover these grades: of this patient, or of many at once."""
    mine = or_(audit.c.patient == patient, audit.c.patient.is_(None))
    writes = audit.c.entry.like('%"grades":"%')
    query = select(audit.c.entry).where(audit.c.study_id == study.id, mine, writes)
    wanted = set(ids)
    for text in connection.scalars(query.order_by(audit.c.seq)):
        entry = json.loads(text)
        for number in wanted.intersection(numbers(entry["rows"]["grades"])):
            yield number, {name: entry.get(name) for name in ("seq", "at", "actor", "reason")}
