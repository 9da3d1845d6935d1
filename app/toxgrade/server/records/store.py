"""Storing what is sent for one patient: append, supersede and regrade, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import refuse_late_baseline
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course, LabResult, to_plain_text
from toxgrade.grading.rules import Graders
from toxgrade.grading.summary import Graded, TermSummary, summarise
from toxgrade.server.records.current_state import stored_result, unreadable_marks
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import results
from toxgrade.server.records.identity import Loc, content, distinct, identities
from toxgrade.server.records.patient_state import GradeRow, PatientState, load_patient_state
from toxgrade.server.records.patients import lock_patient, save_courses
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import lock_study


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller sends for one patient.

    Each of ``results`` has its place in the request. ``courses`` None leaves the treatment as it
    is, an empty tuple clears it, and a single course replaces the first one.
    """

    study: str
    patient: str
    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The current grades of the results sent, in order, and the summary of all the patient's."""

    edition: str
    grades: list[GradeRow]
    summary: list[TermSummary]


def store(connection: Connection, submission: Submission, graders: Graders) -> Stored:
    """Append what is new, regrade the patient, and return the current grades.

    A result sent again with equal content changes nothing, unless it is now declared a baseline;
    with other content it supersedes the stored one, unless it was issued earlier.

    Raises:
        NotFound: there is no such study.
        RequestError: a name, result, baseline or course cannot be accepted; it says which.
    """
    study = lock_study(connection, submission.study)
    grader = graders.for_rules(study.rules)
    keys = identities(submission.results, grader.names)
    sent = distinct(submission.results, keys, grader.names)
    patient_id, is_new = lock_patient(connection, study, submission.patient)
    known = PatientState() if is_new else load_patient_state(connection, patient_id)
    sent_courses = _courses(known.courses, submission)
    courses = save_courses(connection, patient_id, sent_courses, known.courses)
    refuse_late_baseline(submission.results, courses)
    stored = _append(connection, patient_id, sent, known.results, grader)
    state = PatientState(courses, stored, known.grades)
    current = regrade(connection, patient_id, grader, study, state)
    sent_rows = [row for key in keys for row in current[key]]
    rows = sorted(
        (row for found in current.values() for row in found),
        key=lambda row: (row["collected_on"] or date.min, row["id"]),
    )
    return Stored(grader.edition.name, sent_rows, summarise(_graded(row) for row in rows))


def _graded(row: GradeRow) -> Graded:
    return Graded(row["term"], row["phase"], row["course"], row["at_least"], row["at_most"])


def _courses(before: tuple[Course, ...], submission: Submission) -> tuple[Course, ...] | None:
    """Return the courses with the first one as sent; its dose and later courses stay."""
    if not submission.courses or not before:
        return submission.courses
    (sent,) = submission.courses
    first = replace(sent, dose_gy=before[0].dose_gy, fractions=before[0].fractions)
    courses = (first, *before[1:])
    if faults := course_faults(courses):
        named = [FieldFault(("radiotherapy", f.loc[1]), f.code, f.message) for f in faults]
        raise RequestError("the radiotherapy dates contradict the courses recorded", named)
    return courses


def _append(
    connection: Connection,
    patient_id: int,
    sent: Mapping[str, LabResult],
    stored_now: Sequence[Mapping[str, Any]],
    grader: TermGrader,
) -> list[Mapping[str, Any]]:
    """Append the results that are new or supersede stored ones; return all current results."""
    stored = {row["identity"]: row for row in stored_now}
    new, now = [], datetime.now(UTC)
    for key, result in sent.items():
        before = stored.get(key)
        if before is None or _supersedes(result, stored_result(before), grader):
            new.append(
                result_row(result)
                | {
                    "patient_id": patient_id,
                    "identity": key,
                    "version": before["version"] + 1 if before else 1,
                    "recorded_at": now,
                }
            )
    append(connection, results, new)
    stored |= {row["identity"]: row for row in new}
    return sorted(stored.values(), key=lambda row: row["id"])


def _supersedes(result: LabResult, before: LabResult, grader: TermGrader) -> bool:
    if result.issued and before.issued and result.issued < before.issued:
        return False
    changed = content(result, grader.names) != content(before, grader.names)
    return changed or (result.is_baseline and not before.is_baseline)


def result_row(result: LabResult) -> dict[str, object]:
    """Return a result's own columns as they are stored."""
    return {
        "analyte": result.analyte,
        "value": result.value.text if result.value else None,
        "unit": result.unit,
        "lln": to_plain_text(result.lln),
        "uln": to_plain_text(result.uln),
        "limit_unit": result.limit_unit,
        "collected": result.collected.text if result.collected else None,
        "status": result.status,
        "is_baseline": result.is_baseline,
        "source_id": result.source_id,
        "issued": result.issued.isoformat() if result.issued else None,
        "lab": result.lab,
        "unreadable": unreadable_marks(result),
    }
