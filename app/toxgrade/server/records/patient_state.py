"""The current state of one patient, or of all patients of a group of panels at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Integer, bindparam, or_, select

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import Window, possible_places
from toxgrade.grading.result import Course, LabResult, Place, Reported
from toxgrade.grading.summary import Graded
from toxgrade.grading.units import Names
from toxgrade.grading.worst_grade import is_ambiguous
from toxgrade.server.records.current_state import (
    FollowUp,
    grades_now,
    read_courses,
    read_grade,
)
from toxgrade.server.records.db.tables import (
    follow_ups,
    grades,
    patients,
    results,
    treatments,
)
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.identity import identity
from toxgrade.server.records.matching import issue_order
from toxgrade.server.records.patients import lock_panels
from toxgrade.server.records.stored_results import (
    VERSION_COLUMNS,
    Version,
    newest_results,
    read_version,
)

_PATIENTS = bindparam("of_patients", type_=Integer, expanding=True)
_RESULTS = newest_results(results.c.patient_id.in_(_PATIENTS))
_RESULTS_UP_TO = newest_results(
    results.c.patient_id.in_(_PATIENTS) & (results.c.id <= bindparam("highest"))
)
_GRADES = grades_now(grades.c.patient_id.in_(_PATIENTS))
_COURSES = (
    select(treatments.c.patient_id, treatments.c.courses)
    .where(treatments.c.patient_id.in_(_PATIENTS))
    .order_by(treatments.c.id)
)

_FOLLOW_UPS = (
    select(follow_ups.c.patient_id, follow_ups.c.last_contact, follow_ups.c.vital_status)
    .where(follow_ups.c.patient_id.in_(_PATIENTS))
    .order_by(follow_ups.c.id)
)

_OLDER = select(*VERSION_COLUMNS).where(
    results.c.patient_id == bindparam("of_patient"),
    results.c.identity.in_(bindparam("of_identities", expanding=True)),
    results.c.status.in_(bindparam("of_statuses", expanding=True)),
    or_(
        results.c.identity.in_(bindparam("of_unordered", expanding=True)),
        results.c.collected.not_in(bindparam("of_times", expanding=True)),
    ),
)

_DIGITS = 15  # Longer numbers are read to so many.

_T = TypeVar("_T")


def graded(row: GradeRow, courses: Sequence[Course], window: Window) -> Graded:
    """Return what a summary needs of a stored grade, which is placed again if it was not."""
    places: tuple[Place, ...] = ()
    if row.phase == "unknown":
        collected = read_collected(row.collected) if row.collected else None
        places = possible_places(collected, courses, window)
    return Graded(
        row.term, row.phase, row.course, row.at_least, row.at_most, row.worse_than_baseline, places,
        is_ambiguous(row.phase, row.flags, row.baseline_grade),
    )  # fmt: skip


def is_until_death(row: GradeRow) -> bool:
    """Return whether a stored grade counts in summaries: its result is not flagged after-death."""
    return Flag.AFTER_DEATH not in row.flags


@dataclass(frozen=True, slots=True)
class PatientState:
    """What is stored of a patient now: courses of radiotherapy, newest results, current grades, and
    the day of death (None: alive or not known).
    """

    courses: tuple[Course, ...] = ()
    results: Sequence[Version] = ()
    grades: Sequence[GradeRow] = ()
    died: date | None = None


def load_patient_state(transaction: Transaction, patient_id: int) -> PatientState:
    """Return the current state of a patient, who must be locked."""
    cached: PatientState | None = transaction.cache.pop((patients, patient_id), None)
    return cached or load_states(transaction.read(), [patient_id])[patient_id]


def lock_and_load_patients(transaction: Transaction, study: str, names: Collection[str]) -> None:
    """Lock the patients of a group of panels and load their current state, in few statements.

    ``load_patient_state`` then returns that state, unless a row was appended to the patient since.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    if ids := lock_panels(transaction, study, names):
        found = load_states(transaction.read(), ids)
        transaction.cache.update({(patients, n): found[n] for n in ids})


def load_states(connection: Connection, ids: Sequence[int]) -> dict[int, PatientState]:
    """Return the current state of patients by row id, with one query for each table."""
    chosen = {"of_patients": ids}
    # A patient's later rows replace earlier ones, so the newest courses count.
    courses = {row.patient_id: row.courses for row in connection.execute(_COURSES, chosen)}
    texts = dict[str, str]()
    stored = _by_patient(connection.execute(_RESULTS, chosen), read_version, texts)
    graded = _by_patient(connection.execute(_GRADES, chosen), read_grade, texts)
    died = {n: FollowUp(*known).died for n, *known in connection.execute(_FOLLOW_UPS, chosen)}
    return {
        n: PatientState(read_courses(courses.get(n, "[]")), stored[n], graded[n], died.get(n))
        for n in ids
    }


def results_up_to(connection: Connection, patient_id: int | None, highest: int) -> list[Version]:
    """Return the newest results of a patient among those of ids up to ``highest``."""
    chosen = {"of_patients": [patient_id], "highest": highest}
    return [read_version(row) for row in connection.execute(_RESULTS_UP_TO, chosen)]


def _by_patient(
    rows: CursorResult[Any], read: Callable[[Sequence[Any]], _T], texts: dict[str, str]
) -> dict[int, list[_T]]:
    """Return what ``read`` makes of each patient's rows; equal texts become one, kept in ``texts``.

    Databases answer each of them anew: of 100,000 results they took 120 MiB, of which 30 differ.
    """
    patient, found = tuple(rows.keys()).index("patient_id"), defaultdict[int, list[_T]](list)
    for row in rows:
        cells = [texts.setdefault(cell, cell) if type(cell) is str else cell for cell in row]
        found[row[patient]].append(read(cells))
    return found


def _number(version: Version, names: Names) -> str:
    """Return the number of a stored result, or without one its identity as it is made now.

    Numbers of many digits, which are read to 15, once made it of all their digits.
    """
    result = version.result
    if number := (result.source_id or "").strip():
        return number
    value = result.value.text if result.value else ""
    texts = (value, to_plain_text(result.lln) or "", to_plain_text(result.uln) or "")
    return identity(result, names) if max(map(len, texts)) > _DIGITS else version.identity


def load_versions(
    connection: Connection,
    patient_id: int | None,
    stored: Sequence[Version],
    sent: Sequence[LabResult],
    grader: TermGrader,
) -> list[Version]:
    """Return the current versions of stored results that ``sent`` may belong to, in their order.

    ``stored`` are the patient's current ones; those may be meant that share a number with one
    sent, or without one the identity. Before them come the older versions that say whether
    something old was sent again: of a value that was sent, and, where all that was sent is known to
    be issued before or after the current version, of another time than that one.
    """
    by_number: dict[str, dict[tuple[object, object], LabResult]] = defaultdict(dict)
    for result in sent:
        number = (result.source_id or "").strip() or identity(result, grader.names)
        by_number[number][result.server_version, result.issued] = result
    found: list[Version] = []
    unordered: list[str] = []
    for version in stored:
        of_number = by_number.get(_number(version, grader.names))
        if of_number is not None:
            found.append(version)
            orders = (issue_order(one, version.result) for one in of_number.values())
            if version.number > 1 and not all(orders):
                unordered.append(version.identity)
    return [*_older(connection, patient_id, found, unordered, sent), *found]


def _older(
    connection: Connection,
    patient_id: int | None,
    current: Sequence[Version],
    unordered: Sequence[str],
    sent: Sequence[LabResult],
) -> list[Version]:
    """Return the versions before the ``current`` ones of a patient that may have been sent again.

    Of results that are not ``unordered``, only those of other times are read.
    """
    numbers = {version.identity: version.number for version in current if version.number > 1}
    if not numbers:
        return []
    times = {v.result.collected.text for v in current if v.number > 1 and v.result.collected}
    chosen = {
        "of_patient": patient_id,
        "of_identities": [*numbers],
        "of_statuses": [*{result.status for result in sent}],
        "of_unordered": unordered,
        "of_times": [*times],
    }
    values = {_value(result.value) for result in sent}
    older = [
        version
        for version in map(read_version, connection.execute(_OLDER, chosen))
        if version.number < numbers[version.identity] and _value(version.result.value) in values
    ]
    return sorted(older, key=lambda version: version.number)


def _value(value: Reported | None) -> tuple[str, Decimal] | None:
    return None if value is None else (value.comparator, value.number)
