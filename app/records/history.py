"""A patient's rows as they are now: results, treatments, current grades; and reading them back."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, and_, exists, func, select

from app.grading.dates import read_collected
from app.grading.result import Course, Flag, LabResult, Reason
from app.grading.values import read_value
from app.records.tables import grades, results, treatments

_UNREADABLE: tuple[Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE], ...] = (
    Reason.UNREADABLE_VALUE,
    Reason.UNREADABLE_DATE,
)


def current_results(connection: Connection, patient_id: int) -> Sequence[Row[Any]]:
    """The newest version of each result of a patient, in the order in which they came."""
    newest = (
        select(results.c.identity, func.max(results.c.version).label("version"))
        .where(results.c.patient_id == patient_id)
        .group_by(results.c.identity)
        .subquery()
    )
    match = and_(results.c.identity == newest.c.identity, results.c.version == newest.c.version)
    query = select(results).join(newest, match).where(results.c.patient_id == patient_id)
    return connection.execute(query.order_by(results.c.id)).all()


def current_grades(patient_id: int) -> Select[Any]:
    """A query for the grades of a patient that no other grade supersedes, with their results."""
    later = grades.alias("later")
    superseded = exists().where(later.c.supersedes_id == grades.c.id)
    return all_grades(patient_id).where(~superseded)


def all_grades(patient_id: int) -> Select[Any]:
    """A query for every grade a patient ever had, with the result that was graded."""
    reported = [
        results.c[name]
        for name in ("identity", "value", "unit", "lln", "uln", "limit_unit", "collected",
                     "source_id", "status", "lab")
    ]  # fmt: skip
    return (
        select(grades, *reported)
        .join(results, grades.c.result_id == results.c.id)
        .where(grades.c.patient_id == patient_id)
    )


def current_courses(connection: Connection, patient_id: int) -> tuple[Course, ...]:
    """The patient's courses of radiotherapy as last recorded; empty if none are."""
    document = connection.scalar(
        select(treatments.c.courses)
        .where(treatments.c.patient_id == patient_id)
        .order_by(treatments.c.id.desc())
        .limit(1)
    )
    return read_courses(json.loads(document or "[]"))


def read_courses(document: list[dict[str, Any]]) -> tuple[Course, ...]:
    """Courses from the JSON that ``courses_document`` writes."""
    return tuple(_course(course) for course in document)


def courses_document(courses: Sequence[Course]) -> str:
    """Courses as they are stored; ``read_courses`` reads them back."""
    return json.dumps(
        [
            {
                "start": course.start.isoformat() if course.start else None,
                "end": course.end.isoformat() if course.end else None,
                "ongoing": course.ongoing,
                "dose_gy": None if course.dose_gy is None else f"{course.dose_gy:f}",
                "fractions": course.fractions,
            }
            for course in courses
        ]
    )


def _course(document: dict[str, Any]) -> Course:
    def day(name: str) -> date | None:
        return date.fromisoformat(document[name]) if document[name] else None

    dose = document.get("dose_gy")  # absent in rows of version 0.1
    return Course(
        day("start"),
        day("end"),
        document["ongoing"],
        Decimal(dose) if dose is not None else None,
        document.get("fractions"),
    )


def stored_result(row: Row[Any]) -> LabResult:
    """A stored result as it goes into grading: the very numbers that were reported."""
    marks = (row.unreadable or "").split()
    return LabResult(
        analyte=row.analyte,
        value=read_value(row.value) if row.value is not None else None,
        unit=row.unit,
        lln=Decimal(row.lln) if row.lln is not None else None,
        uln=Decimal(row.uln) if row.uln is not None else None,
        limit_unit=row.limit_unit,
        collected=read_collected(row.collected) if row.collected is not None else None,
        status=row.status,
        is_baseline=row.is_baseline,
        source_id=row.source_id,
        issued=datetime.fromisoformat(row.issued) if row.issued is not None else None,
        lab=row.lab,
        unreadable=next((reason for reason in _UNREADABLE if reason in marks), None),
        unreadable_limit=Flag.UNREADABLE_LIMIT in marks,
    )


def unreadable_marks(result: LabResult) -> str | None:
    """What of a result could not be read, as ``stored_result`` reads it back; None: nothing."""
    limit = [Flag.UNREADABLE_LIMIT.value] if result.unreadable_limit else []
    return " ".join([*([result.unreadable.value] if result.unreadable else []), *limit]) or None
