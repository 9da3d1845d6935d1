"""The current state of one patient, or of all patients of a group of panels at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    CursorResult,
    Integer,
    Select,
    String,
    bindparam,
    select,
    union,
)

from toxgrade.grading.fields import GradeRow
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import (
    FollowUp,
    grades_now,
    read_courses,
    read_grade,
)
from toxgrade.server.records.db.newest import is_newest_version
from toxgrade.server.records.db.tables import (
    follow_ups,
    grades,
    patients,
    results,
    treatments,
)
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.kept_summary import Kept, read_kept
from toxgrade.server.records.patients import lock_panels
from toxgrade.server.records.stored_results import (
    Version,
    newest_results,
    read_version,
)

_PATIENTS = bindparam("of_patients", type_=Integer, expanding=True)
_RESULTS = newest_results(results.c.patient_id.in_(_PATIENTS))
_GRADES = grades_now(grades.c.patient_id.in_(_PATIENTS))
_OF_RESULTS = bindparam("of_results", type_=Integer, expanding=True)
_RESULTS_OF = newest_results(results.c.id.in_(_OF_RESULTS))
_GRADES_OF = grades_now(grades.c.result_id.in_(_OF_RESULTS))
_NUMBERS = bindparam("numbers", type_=String, expanding=True)
_NUMBERED = union(
    *(
        select(results.c.id).where(
            results.c.patient_id == bindparam("of_patient"),
            column.in_(_NUMBERS),
            is_newest_version(results),
        )
        for column in (results.c.source_id, results.c.identity)
    )
)
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

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PatientState:
    """What is stored of a patient now: courses of radiotherapy, newest results, current grades, and
    the day of death (None: alive or not known).

    ``kept`` None: they are all of the patient's; else those that the grades of others rest on.
    """

    courses: tuple[Course, ...] = ()
    results: Sequence[Version] = ()
    grades: Sequence[GradeRow] = ()
    died: date | None = None
    kept: Kept | None = None


def load_patient_state(transaction: Transaction, patient_id: int) -> PatientState:
    """Return the whole current state of a patient, who must be locked."""
    cached = _cached(transaction, patient_id)
    if cached and cached.kept is None:
        return cached
    return load_states(transaction.read(), [patient_id])[patient_id]


def load_for_panel(transaction: Transaction, patient_id: int) -> PatientState:
    """Return the current state of a patient, who must be locked, as far as a panel needs it."""
    cached = _cached(transaction, patient_id)
    return cached or _load_for_panels(transaction.read(), [patient_id])[patient_id]


def _cached(transaction: Transaction, patient_id: int) -> PatientState | None:
    found: PatientState | None = transaction.cache.pop((patients, patient_id), None)
    return found


def lock_and_load_patients(transaction: Transaction, study: str, names: Collection[str]) -> None:
    """Lock the patients of a group of panels and load what these need of them, in few statements.

    ``load_for_panel`` then returns that state, unless a row was appended to the patient since.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    if ids := lock_panels(transaction, study, names):
        found = _load_for_panels(transaction.read(), ids)
        transaction.cache.update({(patients, n): found[n] for n in ids})


def load_states(connection: Connection, ids: Sequence[int]) -> dict[int, PatientState]:
    """Return the whole current state of patients by row id, with one query for each table."""
    return _load(connection, ids, _RESULTS, _GRADES, {"of_patients": ids})


def _load_for_panels(connection: Connection, ids: Sequence[int]) -> dict[int, PatientState]:
    """Return the current state of patients by row id; of those with a summary only a part."""
    kept = read_kept(connection, ids)
    numbers = {n: one.summary.rests_on for n, one in kept.items()}
    of_results = [n for found in numbers.values() for n in found or ()]
    in_part = [n for n, found in numbers.items() if found is not None]
    whole = [n for n in ids if n not in in_part]
    states = load_states(connection, whole) if whole else {}
    if in_part:
        chosen = {"of_results": of_results}
        parts = _load(connection, in_part, _RESULTS_OF, _GRADES_OF, chosen)
        states |= {n: replace(parts[n], kept=kept[n]) for n in in_part}
    return states


def with_results_of(
    connection: Connection, patient_id: int, part: PatientState, numbers: Collection[str]
) -> PatientState:
    """Return a part of a patient's state with all results of these numbers and identities."""
    found = connection.scalars(_NUMBERED, {"of_patient": patient_id, "numbers": [*numbers]})
    if not (missing := {*found} - {version.id for version in part.results}):
        return part
    more = _load(connection, [patient_id], _RESULTS_OF, _GRADES_OF, {"of_results": [*missing]})
    other = more[patient_id]
    results = sorted((*part.results, *other.results), key=lambda version: version.id or 0)
    return replace(part, results=results, grades=[*part.grades, *other.grades])


def _load(
    connection: Connection,
    ids: Sequence[int],
    of_results: Select[Any],
    of_grades: Select[Any],
    chosen: Mapping[str, Sequence[int]],
) -> dict[int, PatientState]:
    # A patient's later rows replace earlier ones, so the newest courses count.
    own, texts = {"of_patients": ids}, dict[str, str]()
    courses = {row.patient_id: row.courses for row in connection.execute(_COURSES, own)}
    stored = _by_patient(connection.execute(of_results, chosen), read_version, texts)
    graded = _by_patient(connection.execute(of_grades, chosen), read_grade, texts)
    died = {n: FollowUp(*known).died for n, *known in connection.execute(_FOLLOW_UPS, own)}
    return {
        n: PatientState(read_courses(courses.get(n, "[]")), stored[n], graded[n], died.get(n))
        for n in ids
    }


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
