"""Storing what is sent for one patient: append, supersede and regrade, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Flag
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.patient import refuse_late_baseline
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders
from toxgrade.grading.summary import TermSummary, summarise
from toxgrade.grading.units import Names
from toxgrade.server.records.current_state import issued_text, unreadable_marks
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import results
from toxgrade.server.records.doubts import twins
from toxgrade.server.records.identity import Loc, content, distinct, identity
from toxgrade.server.records.matching import Match, Matcher
from toxgrade.server.records.patient_state import (
    GradeRow,
    PatientState,
    graded,
    is_until_death,
    load_patient_state,
    load_versions,
)
from toxgrade.server.records.patients import lock_patient, save_courses
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import lock_study


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller sends for one patient.

    Each of ``results`` has its place in the request. ``courses`` None leaves the treatment as it
    is, an empty tuple clears it, and a single course replaces the first one. ``is_message``: two
    contents of one result are both kept, where a JSON request with such is refused.
    ``passes_over_after_death``: results dated after the patient's death are left out and told of,
    where a JSON request with such is refused.
    """

    study: str
    patient: str
    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...] | None
    is_message: bool = False
    passes_over_after_death: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """The current grades of each result sent, in order, and the summary of all the patient's.

    Grades of a result that was sent in an older version have the flag ``ignored-older`` here alone.
    ``after_death``: the places of results that were passed over; they have no grades here.
    """

    edition: str
    of_results: list[list[GradeRow]]
    summary: list[TermSummary]
    after_death: tuple[Loc, ...] = ()

    @property
    def grades(self) -> list[GradeRow]:
        """The grades of all results sent, in order."""
        return [row for rows in self.of_results for row in rows]


def store(connection: Connection, submission: Submission, graders: Graders) -> Stored:
    """Append what is new, regrade the patient, and return the current grades.

    Whether a result is new, a new version of a stored one, or a repetition is for ``Matcher``.

    Raises:
        NotFound: there is no such study.
        RequestError: a name, result, baseline or course cannot be accepted; it says which.
    """
    study = lock_study(connection, submission.study)
    grader = graders.for_rules(study.rules)
    patient_id, is_new = lock_patient(connection, study, submission.patient)
    known = PatientState() if is_new else load_patient_state(connection, patient_id)
    passed_over = _after_death(submission, known.died)
    located = [(loc, result) for loc, result in submission.results if loc not in passed_over]
    results_sent = [result for _, result in located]
    if submission.is_message:
        sent = twins(results_sent, grader.names)
    else:
        sent = [(result, False) for result in distinct(located, grader.names)]
    sent_courses = _courses(known.courses, submission)
    courses = save_courses(connection, patient_id, sent_courses, known.courses)
    refuse_late_baseline(submission.results, courses)
    matcher = Matcher(grader.names, load_versions(connection, known.results, results_sent, grader))
    matches = [*zip([result for result, _ in sent], matcher.match_all(sent), strict=True)]
    stored = _append(connection, patient_id, [match for _, match in matches], known.results)
    state = PatientState(courses, stored, known.grades, known.died)
    current = regrade(connection, patient_id, grader, study, state)
    found = iter(_by_result(results_sent, matches, grader.names))
    of_results = [
        [] if loc in passed_over else _rows(next(found), current) for loc, _ in submission.results
    ]
    rows = sorted(
        (row for of_one in current.values() for row in of_one if is_until_death(row)),
        key=lambda row: (row["collected_on"] or date.min, row["id"]),
    )
    summary = summarise(graded(row, courses, study.rules.window) for row in rows)
    return Stored(grader.edition.name, of_results, summary, tuple(passed_over))


def _after_death(submission: Submission, died: date | None) -> dict[Loc, None]:
    """Return the places of results that are dated after the death, if they may be passed over.

    Raises:
        RequestError: they may not.
    """
    late = {loc: None for loc, result in submission.results if is_after_death(result, died)}
    if late and not submission.passes_over_after_death:
        text = "expected a day up to the recorded death, or a withdrawal"
        faults = [FieldFault((*loc, "collected"), "after-death", text) for loc in late]
        raise RequestError("a result is dated after the patient's death", faults)
    return late


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
    matches: Iterable[Match],
    stored_now: Sequence[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """Append the versions that are new; return all current results."""
    now = datetime.now(UTC)
    new = [
        result_row(version.result)
        | {
            "patient_id": patient_id,
            "identity": version.identity,
            "version": version.number,
            "recorded_at": now,
        }
        for match in matches
        if (version := match.version) is not None
    ]
    append(connection, results, new)
    stored = {row["identity"]: row for row in (*stored_now, *new)}
    return sorted(stored.values(), key=lambda row: row["id"])


def _by_result(
    sent: Sequence[LabResult], matches: Sequence[tuple[LabResult, Match]], names: Names
) -> list[Match]:
    """Return the match of each result sent, also of those that were left out as repetitions."""
    by_content = {(identity(r, names), *content(r, names)): match for r, match in matches}
    by_identity = {identity(r, names): match for r, match in matches}
    return [
        by_content.get((key, *content(result, names)), by_identity[key])
        for result in sent
        for key in [identity(result, names)]
    ]


def _rows(match: Match, current: Mapping[str, list[GradeRow]]) -> list[GradeRow]:
    rows = current[match.identity]
    if not match.ignored:
        return rows
    return [row | {"flags": f"{row['flags']} {Flag.IGNORED_OLDER}".lstrip()} for row in rows]


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
        "source_scope": result.source_scope,
        "issued": issued_text(result),
        "lab": result.lab,
        "unreadable": unreadable_marks(result),
        "specimen": result.specimen,
        "indicator": result.indicator,
    }
