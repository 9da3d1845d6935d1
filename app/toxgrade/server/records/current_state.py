"""A patient's current rows (results, grades, courses, follow-up), and how they are read back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, select

from toxgrade.errors import TooLarge
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import read_collected, read_start, read_value
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.newest import is_current, is_newest_version, newest_first
from toxgrade.server.records.db.tables import follow_ups, grades, results, treatments
from toxgrade.server.records.identity import OWN_NUMBER

VitalStatus = Literal["alive", "dead"]
_UNREADABLE: tuple[Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE], ...] = (
    Reason.UNREADABLE_VALUE,
    Reason.UNREADABLE_DATE,
)

_BARS_ONCE = 3  # Scopes of HL7 v2 had so many; now they have two.
_VERSION = " version "  # stands between the time of issue and the number, of which one may lack

# Statements are built once: building them each time took a third of the time of storing a panel.
_PATIENT = bindparam("of_patient", type_=Integer)


def newest_results(condition: ColumnElement[bool]) -> Select[Any]:
    """Return a query for the newest version of each result of the chosen patients."""
    chosen = select(results).where(condition, is_newest_version(results))
    return chosen.order_by(results.c.id)


_CURRENT_RESULTS = newest_results(results.c.patient_id == _PATIENT)

REPORTED = (
    "identity", "value", "unit", "lln", "uln", "limit_unit", "collected", "source_id", "status",
    "specimen", "indicator", "lab",
)  # fmt: skip
"""The columns of a result that are shown with its grade."""

_GRADES = select(grades, *(results.c[name] for name in REPORTED)).join(
    results, grades.c.result_id == results.c.id
)
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


def current_results(connection: Connection, patient_id: int) -> list[dict[str, Any]]:
    """Return the newest version of each result of a patient, in the order of storing."""
    rows = connection.execute(_CURRENT_RESULTS, {"of_patient": patient_id}).mappings()
    return [dict(row) for row in rows]


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
    return read_courses(json.loads(document or "[]"))


def read_courses(document: list[dict[str, Any]]) -> tuple[Course, ...]:
    """Return the courses of a JSON document that ``courses_document`` wrote."""
    return tuple(_course(course) for course in document)


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


def _course(document: dict[str, Any]) -> Course:
    start, time = read_start(document["start"]) if document["start"] else (None, None)
    dose = document.get("dose_gy")  # Rows that version 0.1 stored lack it.
    return Course(
        start,
        date.fromisoformat(document["end"]) if document["end"] else None,
        document["ongoing"],
        Decimal(dose) if dose is not None else None,
        document.get("fractions"),
        time,
    )


def stored_result(row: Mapping[str, Any]) -> LabResult:
    """Return a stored result for grading, with exactly the numbers that were reported."""
    marks = (row["unreadable"] or "").split()
    issued, _, version = (row["issued"] or "").partition(_VERSION)
    return LabResult(
        analyte=row["analyte"],
        value=read_value(row["value"]) if row["value"] is not None else None,
        unit=row["unit"],
        lln=Decimal(row["lln"]) if row["lln"] is not None else None,
        uln=Decimal(row["uln"]) if row["uln"] is not None else None,
        limit_unit=row["limit_unit"],
        collected=read_collected(row["collected"]) if row["collected"] is not None else None,
        status=row["status"],
        is_baseline=row["is_baseline"],
        source_id=row["source_id"],
        source_scope=_scope(row["source_scope"]),
        issued=datetime.fromisoformat(issued) if issued else None,
        server_version=int(version) if version else None,
        lab=row["lab"],
        unreadable=next((reason for reason in _UNREADABLE if reason in marks), None),
        unreadable_limit=Flag.UNREADABLE_LIMIT in marks,
        specimen=row["specimen"],
        indicator=row["indicator"],
    )


def _scope(stored: str | None) -> str | None:
    """Return a scope as it is made now: OBX-21 once stood behind a third bar, also an empty one."""
    if stored is None or OWN_NUMBER in stored or stored.count("|") != _BARS_ONCE:
        return stored
    base, _, own = stored.rpartition("|")
    return f"{base}{OWN_NUMBER}{own}" if own else base


def issued_text(result: LabResult) -> str | None:
    """Return when a version was issued, and its number on its server, for ``stored_result``."""
    issued = result.issued.isoformat() if result.issued else ""
    if result.server_version is None:
        return issued or None
    return f"{issued}{_VERSION}{result.server_version}"


def unreadable_marks(result: LabResult) -> str | None:
    """Return marks of what could not be read, for ``stored_result``; None: all could be read."""
    limit = [Flag.UNREADABLE_LIMIT.value] if result.unreadable_limit else []
    return " ".join([*([result.unreadable.value] if result.unreadable else []), *limit]) or None


def results_until_death(connection: Connection, patient_id: int) -> list[LabResult]:
    """Return the newest version of each result of a patient that is not dated after the death."""
    died = current_follow_up(connection, patient_id).died
    found = [stored_result(row) for row in current_results(connection, patient_id)]
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


def save_follow_up(connection: Connection, patient_id: int, follow_up: FollowUp) -> None:
    """Record a follow-up unless it equals the current one."""
    if current_follow_up(connection, patient_id) != follow_up:
        owner = {"patient_id": patient_id, "recorded_at": datetime.now(UTC)}
        append(connection, follow_ups, [asdict(follow_up) | owner])
